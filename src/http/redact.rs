//! URLs as they may be shown.

use url::Url;

/// A URI without what could let somebody in: user and password, and every value of its query. Text that is no URL is cut at its query.
pub fn redacted(uri: &str) -> String {
    let bare = uri.split(['?', '#']).next().unwrap_or_default();
    let asks = if uri.contains('?') { "?…" } else { "" };
    let Ok(mut url) = Url::parse(bare) else {
        return format!("{bare}{asks}");
    };
    if url.username().is_empty() && url.password().is_none() {
        return format!("{bare}{asks}");
    }
    // A URL that cannot have them has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    format!("{url}{asks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_lets_in_is_shown() {
        for (uri, shown) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("https://user:secret@host:8443/a?sig=abc&se=1#x", "https://host:8443/a?…"),
            ("http://token@host/a", "http://host/a"),
            ("runs:/abc/model", "runs:/abc/model"),
            ("models:/a b@champion", "models:/a b@champion"),
            ("relative/path?x", "relative/path?…"),
        ] {
            assert_eq!(redacted(uri), shown);
        }
    }
}
