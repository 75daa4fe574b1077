//! The same cells as the `csv` crate's own core reads, whatever the text.

use proptest::prelude::*;

use super::*;

type Records = Vec<(usize, usize, Vec<Vec<u8>>)>;

/// Text made of what matters to CSV.
pub(in crate::batch::read::text::csv) fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(",".to_owned()),
        4 => Just("\"".to_owned()),
        2 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\r".to_owned()),
        2 => Just("\",\"".to_owned()),
        1 => Just("\"\"".to_owned()),
        4 => "[a-z0-9 .é-]{0,9}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// The records that `csv_core` reads, and where each lies.
pub(in crate::batch::read::text::csv) fn expected(bytes: &[u8]) -> Records {
    let mut reader = csv_core::Reader::new();
    let (mut text, mut ends) = (vec![0; bytes.len() + 1], vec![0; bytes.len() + 2]);
    let (mut at, mut written, mut count) = (0, 0, 0);
    let (mut start, mut records) = (0, Records::new());
    loop {
        let (result, read, wrote, ended) = reader.read_record(&bytes[at..], &mut text[written..], &mut ends[count..]);
        (at, written, count) = (at + read, written + wrote, count + ended);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record => {
                // It takes blank lines with the record that follows.
                start += bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let from = |index: usize| if index == 0 { 0 } else { ends[index - 1] };
                let cells = (0..count).map(|index| text[from(index)..ends[index]].to_vec()).collect();
                records.push((start, at, cells));
                (start, written, count) = (at, 0, 0);
            }
            csv_core::ReadRecordResult::End => return records,
            other => panic!("{other:?}"),
        }
    }
}

/// The records that [`CellReader`] reads.
pub(in crate::batch::read::text::csv) fn found(bytes: &[u8]) -> Records {
    let mut reader = CellReader::new(bytes, b',');
    let mut records = Records::new();
    while let Some(start) = reader.record() {
        let mut cells = Vec::new();
        loop {
            cells.push(reader.cell().to_vec());
            if let Some(end) = reader.end() {
                records.push((start, end, cells));
                break;
            }
        }
    }
    records
}

proptest! {
    #[test]
    fn cells_are_those_of_the_csv_crate(text in text()) {
        let (found, expected) = (found(&text), expected(&text));
        for (ours, theirs) in found.iter().zip(&expected) {
            prop_assert_eq!(&ours.2, &theirs.2);
            prop_assert_eq!(ours.0, theirs.0);
            // Theirs ends after the line's end, and before the second half of one.
            prop_assert_eq!(ours.1 + usize::from(ours.1 < text.len()), theirs.1);
        }
        prop_assert_eq!(found.len(), expected.len());
        for (start, _, cells) in &found {
            prop_assert_eq!(CellReader::new(&text[*start..], b',').width(), cells.len());
        }
    }
}

#[test]
fn quotes_ends_of_lines_and_what_is_not_closed() {
    let cells = |text: &str| -> Vec<Vec<String>> {
        let words = |cells: Vec<Vec<u8>>| cells.into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect();
        found(text.as_bytes()).into_iter().map(|(_, _, cells)| words(cells)).collect()
    };
    assert_eq!(cells("a,\"b\"\r\n\r\n\"c\nd\",\"e\"\"f\"\rg,"), [["a", "b"], ["c\nd", "e\"f"], ["g", ""]]);
    assert_eq!(cells("i\"t,\"x\"y\"z\n \"q\",\"\""), [["i\"t", "xy\"z"], [" \"q\"", ""]]);
    assert_eq!(cells("\"never,\nclosed\n"), [["never,\nclosed\n"]]);
    assert_eq!(cells("\"a\"\"b"), [["a\"b"]]);
    assert!(cells("\r\n\n").is_empty());
}
