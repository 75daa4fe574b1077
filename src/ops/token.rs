//! The token that callers show.

use std::{
    io::{BufRead, Read},
    path::Path,
};

use crate::{
    config::Secret,
    error::{Error, Kind, Result},
};

/// What an `authorization` header shows: the token after `Bearer `.
pub fn bearer(header: Option<&[u8]>) -> &[u8] {
    header.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default()
}

/// Reads a token from a file.
pub fn token_from_file(path: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    token(&text, &path.display().to_string())
}

/// Reads a token from the first line of standard input, and no more: its end is waited for later.
pub fn token_from_stdin() -> Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().take(1024).read_line(&mut line).map_err(|error| Error::io(Path::new("stdin"), error))?;
    token(&line, "stdin")
}

fn token(text: &str, place: &str) -> Result<Secret> {
    let text = text.trim();
    if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(Kind::InvalidArgument, "TOKEN", format!("{place} holds no token"))
            .expected("at least 16 printable ASCII characters"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_printable() {
        assert_eq!(token(" 0123456789abcdef\n", "here").unwrap().expose(), "0123456789abcdef");
        for bad in ["", "short", "0123456789 abcdef", "0123456789abcde\u{e9}"] {
            assert_eq!(token(bad, "here").unwrap_err().code(), "TOKEN", "{bad}");
        }
    }

    #[test]
    fn only_bearer_tokens_are_shown() {
        assert_eq!(bearer(Some(b"Bearer abc")), b"abc");
        for header in [None, Some(&b"abc"[..]), Some(b"Basic abc"), Some(b"bearer abc")] {
            assert_eq!(bearer(header), b"", "{header:?}");
        }
    }
}
