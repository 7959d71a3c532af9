use super::*;

fn read(name: &str, text: &str) -> Result<Vec<FileBackend>, String> {
    read_backends(Path::new(name), text.as_bytes())
}

fn shown(name: &str, text: &str) -> Vec<String> {
    let backends = read(name, text).unwrap();
    let shown = backends.iter().map(|it| match &it.name {
        Some(name) => format!("{name} {}", it.spec),
        None => it.spec.to_string(),
    });
    shown.collect()
}

const ALL: [&str; 3] = ["10.0.0.1:80", "b 10.0.0.2:80=3/16", "10.0.0.3:80=2"];

#[test]
fn both_notations_say_the_same() {
    let list = r#"["10.0.0.1:80",
        {"address": "10.0.0.2:80", "name": "b", "weight": 3, "max-connections": 16},
        "10.0.0.3:80=2"]"#;
    assert_eq!(shown("b.json", list), ALL);
    let object = format!("{{\"backends\": {list}}}");
    assert_eq!(shown("b.json", &object), ALL);
    let toml = "[[backend]]\naddress = \"10.0.0.1:80\"\n\
         [[backend]]\naddress = \"10.0.0.2:80\"\nname = \"b\"\nweight = 3\nmax-connections = 16\n\
         [[backend]]\naddress = \"10.0.0.3:80\"\nweight = 2\n";
    assert_eq!(shown("b.toml", toml), ALL);
    let mixed = "backends = [\"10.0.0.1:80\", \
        { address = \"10.0.0.2:80\", name = \"b\", weight = 3, max-connections = 16 }]\n\
        [[backend]]\naddress = \"10.0.0.3:80\"\nweight = 2\n";
    assert_eq!(shown("b.toml", mixed), ALL);
}

#[test]
fn the_notation_is_known_by_name_or_beginning() {
    for (name, text, format) in [
        ("b.json", "[[backend]]", FileFormat::Json),
        ("b.toml", "{}", FileFormat::Toml),
        ("b", " [\"a:1\"]", FileFormat::Json),
        ("b", "{}", FileFormat::Json),
        ("b.list", "[[backend]]", FileFormat::Toml),
        ("b", "backends = []", FileFormat::Toml),
    ] {
        assert_eq!(
            FileFormat::of(Path::new(name), text),
            format,
            "{name} {text}"
        );
    }
}

#[test]
fn none_is_meant_only_if_that_is_said() {
    let refusal =
        "b.json: names no backend; write allow-empty: true beside the list if none is meant";
    for text in ["[]", "{\"backends\": []}"] {
        assert_eq!(read("b.json", text).unwrap_err(), refusal);
    }
    let meant = read("b.json", "{\"backends\": [], \"allow-empty\": true}");
    assert_eq!(meant, Ok(Vec::new()));
    assert_eq!(read("b.toml", "allow-empty = true\n"), Ok(Vec::new()));
    assert!(read("b.toml", "# nothing yet\n").is_err());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let shape = "write a list of addresses, or of objects with address, name, weight and \
        max-connections";
    for (name, text, told) in [
        (
            "b",
            "",
            "b: is empty; write the backends, and rename the file into place when it is whole",
        ),
        (
            "b.json",
            "[\"10.0.0.1:80\",\n  \"10.0.0.2\"]",
            "b.json:2:3: '10.0.0.2': the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "b.json",
            "[{\"address\": \"a:1\", \"weight\": 300}]",
            "b.json:1:2: weight '300': out of range; give 1 to 256",
        ),
        (
            "b.json",
            "[\"a:1\",\n \"b:1\",\n \"a:1\"]",
            "b.json:3:2: 'a:1': is there twice; name each backend once",
        ),
        (
            "b.toml",
            "[[backend]]\naddress = \"a:1\"\n[[backend]]\naddress = \"a\"\n",
            "b.toml:3:1: 'a': the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "b.json",
            "[{\"address\": \"a:1\", \"name\": \"\"}]",
            "b.json:1:2: name \"\": not a name; use 1 to 255 bytes without control characters",
        ),
    ] {
        assert_eq!(read(name, text).unwrap_err(), told, "{text}");
    }
    for (name, text, told) in [
        ("b.json", "[\"a:1\"", "b.json:1:6: EOF while parsing a list"),
        (
            "b.json",
            "[\n  {\"adress\": \"a:1\"}]",
            "b.json:2:11: unknown field `adress`, expected one of `address`, `name`, `weight`, `max-connections`",
        ),
        (
            "b.json",
            "[\n  {\"name\": \"a\"}]",
            "b.json:2:15: missing field `address`",
        ),
        (
            "b.json",
            "[{\"address\": \"a:1\", \"max-connections\": 0}]",
            "b.json:1:40: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            "b.json",
            "[1]",
            "b.json:1:2: invalid type: integer `1`, expected an address, or an object with an address",
        ),
        (
            "b.json",
            "{\"backend\": []}",
            "b.json:1:10: unknown field `backend`, expected `backends` or `allow-empty`",
        ),
        (
            "b.toml",
            "[[backends]]\nadress = \"a:1\"\n",
            "b.toml:2:1: unknown field `adress`, expected one of `address`, `name`, `weight`, `max-connections`",
        ),
    ] {
        assert_eq!(
            read(name, text).unwrap_err(),
            format!("{told}; {shape}"),
            "{text}"
        );
    }
    let not_utf8 = read_backends(Path::new("b.json"), &[0xff, 0xfe]);
    assert_eq!(
        not_utf8.unwrap_err(),
        "b.json: is not UTF-8; write it in UTF-8"
    );
}

#[test]
fn a_pool_has_room_for_so_many() {
    let many = |count: usize| {
        let all: Vec<_> = (0..count).map(|n| format!("\"b{n}:1\"")).collect();
        read("b.json", &format!("[{}]", all.join(",")))
    };
    assert_eq!(many(MAX_BACKENDS).unwrap().len(), MAX_BACKENDS);
    let told = many(MAX_BACKENDS + 1).unwrap_err();
    assert_eq!(
        told,
        "b.json: 4097 backends are too many; name at most 4096"
    );
}
