//! The files of a directory, as web servers list them: a page of links, or the answer to WebDAV's PROPFIND.

use url::Url;

/// The names that an index page links to, directly below its own URL; `None` where the page is no index. Directories end in `/`. What
/// leads elsewhere, such as the link to the directory above, is no file of this one.
pub(super) fn links(base: &Url, page: &[u8]) -> Option<Vec<String>> {
    let page = String::from_utf8_lossy(page);
    // Small letters take as many bytes as capitals here, so that places in one text are places in the other.
    let lower = page.to_ascii_lowercase();
    if !lower.contains("<a ") && !lower.contains("<html") && !lower.contains("<!doctype html") {
        return None;
    }
    let mut names = Vec::new();
    for (at, _) in lower.match_indices("href") {
        let Some(rest) = page[at + 4..].trim_start().strip_prefix('=').map(str::trim_start) else { continue };
        let target = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next(),
            _ => rest.split([' ', '>']).next(),
        };
        names.extend(target.and_then(|target| child(base, &unescaped(target))));
    }
    names.sort();
    names.dedup();
    Some(names)
}

/// The members that WebDAV lists of a directory; `None` where the text is not of that form.
pub(super) fn members(base: &Url, xml: &[u8]) -> Option<Vec<String>> {
    use quick_xml::{Reader, events::Event};
    let mut reader = Reader::from_reader(xml);
    let mut names: Vec<String> = Vec::new();
    let (mut inside, mut href, mut found, mut directory) = (false, String::new(), false, false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == b"response" => {
                (href, directory) = (String::new(), false);
                found = true;
            }
            Event::Start(start) if start.local_name().as_ref() == b"href" => inside = href.is_empty(),
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == b"collection" => directory = true,
            Event::End(end) if end.local_name().as_ref() == b"href" => inside = false,
            Event::Text(text) if inside => href.push_str(&text.decode().ok()?),
            Event::GeneralRef(entity) if inside => {
                href.push_str(if *entity == b"amp"[..] { "&" } else { return None });
            }
            Event::End(end) if end.local_name().as_ref() == b"response" => {
                if let Some(name) = child(base, href.trim()) {
                    let bare = name.trim_end_matches('/').to_owned();
                    names.push(if directory { format!("{bare}/") } else { bare });
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    found.then_some(names)
}

/// The name that a link leads to directly below a directory.
fn child(base: &Url, target: &str) -> Option<String> {
    // The links by which a page is sorted lead to itself.
    let target = target.split(['?', '#']).next().filter(|target| !target.is_empty())?;
    // `Url` would take the dots away: a name that leads out is handed on, to be refused by whoever checks the listing.
    let url = base.join(target).ok()?;
    let here = base.origin() == url.origin();
    let rest = url.path().strip_prefix(base.path()).filter(|rest| here && !rest.is_empty())?;
    let (name, directory) = rest.strip_suffix('/').map_or((rest, ""), |name| (name, "/"));
    (!name.contains('/')).then(|| format!("{}{directory}", decoded(name)))
}

/// A part of a path with its escapes resolved.
pub(super) fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of an attribute of HTML.
fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (entity, means)| text.replace(entity, means))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://host/models/churn/").unwrap()
    }

    #[test]
    fn the_pages_of_three_servers_are_read() {
        let python = br#"<!DOCTYPE HTML><html><body><ul><li><a href="MLmodel">MLmodel</a></li>
            <li><a href="a%20b%26c.txt">a b&amp;c.txt</a></li><li><a href="data/">data/</a></li></ul></body></html>"#;
        assert_eq!(links(&base(), python).unwrap(), ["MLmodel", "a b&c.txt", "data/"]);
        let nginx = br#"<html><head><title>Index of /models/churn/</title></head><body><pre><a href="../">../</a>
            <a href="data/">data/</a>  01-Jan-2026 10:00  -
            <a href="MLmodel">MLmodel</a> 01-Jan-2026 10:00 512</pre></body></html>"#;
        assert_eq!(links(&base(), nginx).unwrap(), ["MLmodel", "data/"]);
        let apache = br#"<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><table>
            <tr><th><a href="?C=N;O=D">Name</a></th></tr><tr><td><a href="/models/">Parent Directory</a></td></tr>
            <tr><td><A HREF='MLmodel'>MLmodel</A></td></tr><tr><td><a href=/models/churn/x&amp;y>x</a></td></tr></table></html>"#;
        assert_eq!(links(&base(), apache).unwrap(), ["MLmodel", "x&y"]);
        assert_eq!(links(&base(), b"flavors: {}"), None);
    }

    #[test]
    fn what_leads_elsewhere_is_no_file_and_what_is_hidden_in_a_name_is_shown() {
        let page = br#"<html><a href="http://other/models/churn/x">x</a><a href="../secret">s</a><a href="//other/y">y</a>
            <a href="a/b">deep</a><a href="javascript:x">j</a><a href="..%2Fevil">e</a></html>"#;
        assert_eq!(links(&base(), page).unwrap(), ["../evil"]);
    }

    #[test]
    fn webdav_lists_members() {
        let xml = br#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">
            <D:response><D:href>/models/churn/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>
            </D:propstat></D:response>
            <D:response><D:href>http://host/models/churn/data</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>
            </D:resourcetype></D:prop></D:propstat></D:response>
            <D:response><D:href>/models/churn/MLmodel</D:href></D:response></D:multistatus>"#;
        assert_eq!(members(&base(), xml).unwrap(), ["MLmodel", "data/"]);
        assert_eq!(members(&base(), b"<html></html>"), None);
        assert_eq!(members(&base(), b"no xml"), None);
    }
}
