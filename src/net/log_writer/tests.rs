//! Disks that fill up and are emptied, pipes without a reader.

use super::*;

/// A disk with room for so many bytes.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

impl Disk {
    fn add_room(&self, bytes: usize) {
        self.0.lock().unwrap().0 += bytes;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (room, written) = &mut *self.0.lock().unwrap();
        if *room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(*room);
        written.extend(&bytes[..taken]);
        *room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Stand {
    disk: Disk,
    writer: BatchWriter<Disk>,
    events: Receiver<AccessLogEvent>,
}

impl Stand {
    fn with_room(bytes: usize) -> Self {
        let disk = Disk::default();
        disk.add_room(bytes);
        let status = Arc::new(LogStatus::default());
        let (sender, events) = sync_channel(10);
        status.subscribe(sender);
        Self {
            writer: BatchWriter::new(disk.clone(), status),
            disk,
            events,
        }
    }

    fn write(&mut self, batch: &str) {
        let lines = count_lines(batch.as_bytes());
        self.writer.status.pending.fetch_add(lines, Relaxed);
        self.writer.write(batch.as_bytes());
    }

    fn told(&self) -> Vec<String> {
        self.events
            .try_iter()
            .map(|event| event.to_string())
            .collect()
    }

    fn dropped(&self) -> u64 {
        self.writer.status.stats().lines_dropped
    }
}

#[test]
fn a_full_disk_drops_lines_until_it_has_room() {
    let mut stand = Stand::with_room(6);
    stand.write("1\n2\n3\n");
    stand.write("4\n5\n");
    stand.write("6\n");
    assert_eq!(
        (stand.disk.text().as_str(), stand.dropped()),
        ("1\n2\n3\n", 3)
    );
    let [failing] = &stand.told()[..] else {
        panic!("one line when it begins");
    };
    assert!(
        failing.starts_with("access log cannot be written: "),
        "{failing}"
    );
    stand.disk.add_room(100);
    stand.write("7\n");
    stand.write("8\n");
    assert_eq!(stand.disk.text(), "1\n2\n3\n7\n8\n");
    let ended = "access log is written again; 3 lines dropped";
    assert_eq!(stand.told(), [ended]);
    let stats = stand.writer.status.stats();
    assert_eq!((stats.lines_dropped, stats.write_errors), (3, 2));
    assert_eq!(stand.writer.status.pending.load(Relaxed), 0);
}

#[test]
fn a_torn_line_is_closed_before_the_next() {
    let mut stand = Stand::with_room(7);
    stand.write("first\nsecond\nthird\n");
    assert_eq!(
        (stand.disk.text().as_str(), stand.dropped()),
        ("first\ns", 2)
    );
    stand.write("fourth\n");
    stand.disk.add_room(1_000);
    stand.write("fifth\n");
    assert_eq!(stand.disk.text(), "first\ns\nfifth\n");
    assert_eq!(stand.dropped(), 3);
    assert_eq!(stand.told().len(), 2);
}

#[test]
fn room_for_the_line_feed_alone_does_not_tear_another() {
    let mut stand = Stand::with_room(3);
    stand.write("torn\n");
    stand.disk.add_room(1);
    stand.write("lost\n");
    stand.disk.add_room(1_000);
    stand.write("kept\n");
    assert_eq!(stand.disk.text(), "tor\nkept\n");
    assert_eq!(stand.dropped(), 2);
}

#[test]
fn each_failure_is_reported_at_its_beginning_and_end() {
    let mut stand = Stand::with_room(0);
    for _ in 0..3 {
        stand.write("lost\n");
        stand.disk.add_room(5);
        stand.write("kept\n");
    }
    let told = stand.told();
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(told[5], "access log is written again; 1 line dropped");
}

#[test]
fn every_line_of_every_loop_is_written_or_counted() {
    let disk = Disk::default();
    disk.add_room(100);
    let log = Log::to(disk.clone()).unwrap();
    let mut loops = [log.writer(), log.writer()];
    for nth in 0..300 {
        for writer in &mut loops {
            writer.write(format!("line {nth:03}\n").into_bytes());
        }
    }
    loops.into_iter().for_each(LogWriter::finish);
    let stats = log.finish();
    let whole = disk.text().lines().filter(|line| line.len() == 8).count();
    assert_eq!(whole as u64 + stats.lines_dropped, 600);
    assert!(stats.write_errors > 0);
}
