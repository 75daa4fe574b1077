//! The `mlflight` command.

fn main() -> std::process::ExitCode {
    mlflight::cli::main()
}
