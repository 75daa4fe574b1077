//! The `mlflight` command without DataFusion: what Spark executors and containers carry.

fn main() -> std::process::ExitCode {
    mlflight::cli::main()
}
