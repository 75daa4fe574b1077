use super::*;

fn file(header: &str, items: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(items);
    bytes
}

#[test]
fn numbers_of_every_order_and_width() {
    let bytes: Vec<u8> = (1..=6i16).flat_map(i16::to_be_bytes).collect();
    let array = Array::read(&file("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", &bytes)).unwrap();
    assert_eq!((array.shape, array.data), (vec![2, 3], Data::Ints(vec![1, 3, 5, 2, 4, 6])));
    let array = Array::read(&file("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", &0.1f32.to_le_bytes())).unwrap();
    assert_eq!(array.data, Data::Floats(vec![f64::from(0.1f32)]));
    let text: Vec<u8> = ['a', 'é', '\0', 'z', '\0', '\0'].into_iter().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let array = Array::read(&file("{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}", &text)).unwrap();
    assert_eq!(array.data, Data::Texts(vec!["aé".into(), "z".into()]));
}

#[test]
fn records_by_field() {
    let header = "{'descr': [('left', '<i8'), ('t', '<f8'), ('m', '|u1'), ('', '|V7')], 'fortran_order': False, 'shape': (2,)}";
    let mut items = Vec::new();
    for row in 0..2i64 {
        items.extend(row.to_le_bytes());
        items.extend((row as f64 / 2.0).to_le_bytes());
        items.extend([1u8, 0, 0, 0, 0, 0, 0, 0]);
    }
    let array = Array::read(&file(header, &items)).unwrap();
    assert_eq!(array.field("left").unwrap().ints(), Some(vec![0, 1]));
    assert_eq!(array.field("t").unwrap().floats(), Some(vec![0.0, 0.5]));
    assert!(array.field("right").is_none());
}

#[test]
fn columns_of_records_in_place_and_converted() {
    let records = |left: &str, threshold: &str, flag: &str, items: &[u8]| {
        let header = format!(
            "{{'descr': [('l', '{left}'), ('t', '{threshold}'), ('f', '{flag}')], 'fortran_order': False, 'shape': (2,)}}"
        );
        let array = Array::read(&file(&header, items)).unwrap();
        let (left, threshold, flag) = (array.int_column("l"), array.float_column("t"), array.flag_column("f"));
        let of = |at| {
            let flag = flag.as_ref().unwrap().get(at) != [0];
            (i64::from_le_bytes(left.as_ref().unwrap().get(at)), f64::from_le_bytes(threshold.as_ref().unwrap().get(at)), flag)
        };
        assert!(array.float_column("l").is_none() && array.float_column("f").is_none());
        assert!(array.int_column("t").is_none() && array.flag_column("t").is_none() && array.int_column("none").is_none());
        [of(0), of(1)]
    };
    let expected = [(-1, -2.5, true), (258, 0.0, false)];
    let one = [(-1i64).to_le_bytes().as_slice(), &(-2.5f64).to_le_bytes(), &[2]].concat();
    let two = [258i64.to_le_bytes().as_slice(), &0f64.to_le_bytes(), &[0]].concat();
    assert_eq!(records("<i8", "<f8", "|u1", &[one, two].concat()), expected);
    let one = [(-1i16).to_be_bytes().as_slice(), &(-2.5f32).to_be_bytes(), &[1]].concat();
    let two = [258i16.to_be_bytes().as_slice(), &0f32.to_be_bytes(), &[0]].concat();
    assert_eq!(records(">i2", ">f4", "|b1", &[one, two].concat()), expected);
}

#[test]
fn sizes_are_checked_before_they_are_believed() {
    for (header, cause) in [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}", "cannot have 8 bytes"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2)}", "no array can have"),
        ("{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,)}", "cannot have 8 bytes"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': ((((((((((1,),),),),),),),),),)}", "nests deeper"),
        ("{'descr': '<q8', 'fortran_order': False, 'shape': (1,)}", "'<q8'"),
        ("{'descr': '<f8', 'shape': (1,)}", "'fortran_order'"),
    ] {
        let error = Array::read(&file(header, &[0; 8])).unwrap_err();
        assert!(error.to_string().contains(cause), "{header}: {error}");
    }
}
