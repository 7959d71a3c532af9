//! The server that scenarios launch: this test binary, run again.

use super::support::port_block;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Where the server is to listen; without it, nothing is run.
const PORT: &str = "LB_TEST_SERVER_PORT";

/// A service of these servers, and the ports that it has.
pub(crate) fn service(servers: &str, more: &str) -> String {
    let (first, exe) = (port_block(), std::env::current_exe().expect("runs"));
    let last = first + 11;
    format!(
        "[service.web]\n\
         command = [{exe:?}, \"--ignored\", \"--exact\", \"test_server::serve\", \"--nocapture\"]\n\
         environment = {{ {PORT} = \"{{port}}\" }}\nports = \"{first}-{last}\"\n\
         check = \"/ping\"\npool = \"default\"\nservers = {{ {servers} }}\n{more}\n"
    )
}

/// One request at a time is worked on.
static WORK: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "no test: the scenarios launch it"]
fn serve() {
    let Ok(port) = std::env::var(PORT) else {
        return;
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("is free");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(&stream));
    }
}

fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut request = String::new();
        loop {
            let before = request.len();
            if reader.read_line(&mut request).ok()? == 0 {
                return None;
            }
            if request.len() - before <= 2 {
                break;
            }
        }
        let path = request.split(' ').nth(1)?;
        if path == "/tunnel" {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
            writer.write_all(head.as_bytes()).ok()?;
            return echo(reader, writer);
        }
        let milliseconds = path.rsplit('/').next().and_then(|it| it.parse().ok());
        let span = Duration::from_millis(milliseconds.unwrap_or(0));
        if path.starts_with("/slow/") {
            slow(writer, span)?;
            continue;
        }
        if path.starts_with("/busy/") {
            let _busy = WORK.lock();
            thread::sleep(span);
        }
        writer
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npong\n")
            .ok()?;
    }
}

/// A byte a quarter of a second, so that it is seen where an answer is cut.
fn slow(mut writer: &TcpStream, span: Duration) -> Option<()> {
    const BEAT: Duration = Duration::from_millis(250);
    let bytes = span.as_millis() / BEAT.as_millis();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    writer.write_all(head.as_bytes()).ok()?;
    for _ in 0..bytes {
        thread::sleep(BEAT);
        writer.write_all(b".").ok()?;
    }
    Some(())
}

fn echo(mut reader: impl Read, mut writer: &TcpStream) -> Option<()> {
    let mut buffer = [0; 256];
    loop {
        match reader.read(&mut buffer).ok()? {
            0 => return Some(()),
            bytes => writer.write_all(buffer.get(..bytes)?).ok()?,
        }
    }
}
