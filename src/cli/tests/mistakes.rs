//! Every mistake gives one line with the remedy.

use super::super::read;
use super::complaint;
use std::ffi::OsString;

#[test]
fn every_mistake_is_one_line_with_a_remedy() {
    for (line, message) in [
        (
            "lb",
            "--backends: no backend given; name at least one, as in --backends 127.0.0.1:5000",
        ),
        (
            "lb --strategy fastest --backends 1",
            "--strategy 'fastest': unknown strategy; \
             use one of n-to-1, round-robin, least-conn, least-rt, random, p2c, \
             ip-hash, uri-hash, header-hash, cookie-hash, ip-maglev, uri-maglev, \
             header-maglev, cookie-maglev",
        ),
        (
            "lb --backends 1 --hash-bound 150",
            "--hash-bound: the strategy does not hash; \
             give it with a strategy such as ip-hash, or not at all",
        ),
        (
            "lb --backends 1 --strategy ip-hash --hash-bound 100",
            "--hash-bound '100': not a bound; give 101 to 10000 percent of a fair share, or off",
        ),
        (
            "lb --strategy",
            "--strategy: no value given; write --strategy NAME",
        ),
        (
            "lb --backends --quiet",
            "--backends: no value given; write --backends HOST:PORT[=WEIGHT[/MAX]],...",
        ),
        (
            "lb --backends=",
            "--backends '': empty; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "lb --backends 1,,2",
            "--backends '': empty; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "lb --backends 1,a:2=0",
            "--backends 'a:2=0': not a weight; \
             give a whole number from 1 to 256, or leave =WEIGHT out for 1",
        ),
        (
            "lb --backends 1,1",
            "--backends '127.0.0.1:1': this backend is given twice; \
             name it once, with =WEIGHT for a larger share",
        ),
        (
            "lb --backends 1 2",
            "'2': belongs to no flag; \
             separate the values of a flag by commas without spaces; see lb --help",
        ),
        (
            "lb --strat x",
            "--strat: unknown flag; did you mean --strategy?",
        ),
        (
            "lb --rise 3",
            "--rise: unknown flag; did you mean --health-rise?",
        ),
        (
            "lb --timeout 3s",
            "--timeout: unknown flag; lb --help shows the flags",
        ),
        (
            "lb monitor --health-rise 3 a:1",
            "--health-rise: unknown flag; lb monitor --help shows the flags",
        ),
        (
            "lb monitor --intervall 3s a:1",
            "--intervall: unknown flag; did you mean --interval?",
        ),
        (
            "lb ctl",
            "'lb ctl': a command is missing; lb ctl --help lists them",
        ),
        (
            "lb ctl drin x",
            "'drin': unknown command; did you mean drain?",
        ),
        (
            "lb ctl frobnicate",
            "'frobnicate': unknown command; lb ctl --help lists them",
        ),
        (
            "lb ctl events --folow",
            "--folow: unknown flag; did you mean --follow?",
        ),
        (
            "lb --strategy least_conn --backends 1",
            "--strategy 'least_conn': unknown strategy; did you mean least-conn?",
        ),
        (
            "lb --strategy rr --backends 1",
            "--strategy 'rr': unknown strategy; did you mean round-robin?",
        ),
        (
            "lb --frob",
            "--frob: unknown flag; lb --help shows the flags",
        ),
        ("lb -x", "-x: unknown flag; lb --help shows the flags"),
        (
            "lb --backends 1 --quiet=yes",
            "--quiet: takes no value; write --quiet alone",
        ),
        (
            "lb --mode tcp --mode http",
            "--mode: given more than once; give it once",
        ),
        ("lb --mode", "--mode: no value given; write --mode http|tcp"),
        (
            "lb --mode udp",
            "--mode 'udp': unknown mode; use one of http, tcp",
        ),
        (
            "lb --passive maybe",
            "--passive 'maybe': unknown setting; use one of on, off",
        ),
        (
            "lb --workers 0",
            "--workers '0': not a number of workers; \
             give 1 to 256, or auto for one on each core",
        ),
        (
            "lb --workers 257",
            "--workers '257': not a number of workers; \
             give 1 to 256, or auto for one on each core",
        ),
        (
            "lb --access-log xml",
            "--access-log 'xml': unknown format; use one of off, text, json",
        ),
        (
            "lb --listen :80",
            "--listen ':80': no address before the colon; \
             write the port alone for this machine, *:PORT for every address",
        ),
        (
            "lb --backends 1 --listen 80,localhost:80",
            "--listen '127.0.0.1:80': this address is given twice; name it once",
        ),
        (
            "lb --backends 1 --max-retries -1",
            "--max-retries '-1': not a usable number; write it in digits, as in 100",
        ),
        (
            "lb --backends 1 --max-retries 17",
            "--max-retries '17': out of range; give 0 to 16",
        ),
        (
            "lb --backends 1 --head-timeout 0ms",
            "--head-timeout '0ms': zero would give up before it began; \
             give a longer time, as in 500ms or 3s",
        ),
        (
            "lb --connect-timeout 3",
            "--connect-timeout '3': the unit is missing; \
             write a whole number and ms, s, m or h, as in 500ms or 3s",
        ),
    ] {
        assert_eq!(complaint(line), message, "{line}");
    }
}

#[test]
fn arguments_cannot_break_the_line() {
    for arg in ["--a\nb", "a\nb", "--mode=a\nb"] {
        let args = ["lb", arg].map(OsString::from);
        let complaint = read(args).unwrap_err().to_string();
        assert!(complaint.contains("a\\nb"), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn a_flag_that_another_one_needs_is_named() {
    for (given, needed) in [
        ("--heartbeat-key key", "--heartbeat-listen <IP:PORT>"),
        ("--sticky-secret key", "--sticky <COOKIE>"),
    ] {
        let flag = needed.split(' ').next().unwrap();
        assert_eq!(
            complaint(&format!("lb --backends 5000 {given}")),
            format!(
                "{flag}: missing, and another flag needs it; write {needed} too, or leave the other out"
            )
        );
    }
}

#[test]
fn arguments_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let broken = OsString::from_vec(vec![0xff]);
    let args = ["lb".into(), "--mode".into(), broken];
    assert_eq!(
        read(args).unwrap_err().to_string(),
        "an argument is not UTF-8; write it in UTF-8"
    );
}
