//! The screen in 80 by 24 characters, and what keys do.

use super::app::{App, Asked, Mode, Order};
use super::view::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

fn about(id: u64, name: &str, state: &str) -> Value {
    json!({
        "id": id, "name": name, "address": name, "state": state,
        "cause": (state != "healthy").then_some("5 failures in 0.2 s: connection refused"),
        "since": 990.0, "departing": false, "weight": 1, "max_in_flight": null, "owner": null,
        "operator": null, "ejections": 0,
    })
}

/// Two pools, whose backends have served for three seconds.
fn watched() -> App {
    let mut app = App::default();
    let pools = json!({
        "boot_id": "x", "version": "0.1.0", "whole": true, "workers": 2, "gone": [],
        "pools": [
            {"name": "web", "strategy": "least-rt", "backends": [
                about(0, "10.0.0.1:8080", "healthy"), about(1, "10.0.0.2:8080", "ejected")]},
            {"name": "api", "strategy": "p2c", "backends": [
                about(2, "a-name-that-is-longer-than-its-column.example:8080", "healthy")]},
        ],
    });
    app.model.take("pools", &pools.to_string());
    for second in 0..=3_u64 {
        let tick = json!({
            "at": 1_000 + second, "seq": 7, "uptime": 100 + second, "connections": 12,
            "accepted": 20,
            "pools": [
                [3, 1, 500, 1_000 * second, 2, 0, 0, 0, 1_200, 25_000],
                [0, 0, 0, 0, 0, 0, 0, 0, null, null]],
            "backends": [
                [0, 2, 1, 900 * second, 0, 0, 0, 0, 1_100, 24_000],
                [1, 1, 0, 100 * second, 0, 4, 17, 0, null, null]],
        });
        app.model.take("tick", &tick.to_string());
    }
    let event = json!({
        "seq": 7, "kind": "state", "at": 951_782_399.0, "pool": "web",
        "backend": "10.0.0.2:8080", "from": "healthy", "to": "ejected", "cause": "5 failures",
    });
    app.model.take("", &event.to_string());
    app
}

fn screen(app: &App, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(app, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(width.into());
    let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect()
}

fn press(app: &mut App, keys: &str) -> Asked {
    let mut last = Asked::Nothing;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            key => KeyCode::Char(key),
        };
        last = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    last
}

fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn everything_is_on_a_small_screen() {
    let app = watched();
    let lines = screen(&app, 80, 24);
    let head = "lb 0.1.0  up 103s  2 workers  12 connections  1,000 req/s";
    assert_eq!(lines[0], head);
    assert_eq!(
        lines[1],
        " web least-rt: 1,000 req/s, 3 in flight, 1 queued, 2 refused, p50 1.20ms, p99 2…"
    );
    let titles = [
        "BACKEND▼",
        "STATE",
        "WT",
        "FLIGHT",
        "REQ/S",
        "P50",
        "P99",
        "5XX",
        "ERRORS",
    ];
    assert_eq!(cells(&lines[3]), titles);
    assert!(lines[4].starts_with("api/a…"), "{}", lines[4]);
    let first = [
        "web/10.0.0.1:8080",
        "healthy",
        "1",
        "3",
        "900",
        "1.10ms",
        "24.0ms",
        "0",
        "0",
    ];
    assert_eq!(cells(&lines[5]), first);
    let second = [
        "web/10.0.0.2:8080",
        "ejected",
        "1",
        "1",
        "100",
        "-",
        "-",
        "4",
        "17",
    ];
    assert_eq!(cells(&lines[6]), second);
    let event = "23:59:59  web/10.0.0.2:8080  healthy -> ejected: 5 failures";
    assert!(lines.iter().any(|line| line == event), "{lines:#?}");
    assert!(lines[23].starts_with("d drain  u undrain"), "{}", lines[23]);
    for (width, height) in [(20, 5), (1, 1), (200, 60)] {
        screen(&app, width, height);
    }
}

#[test]
fn the_cause_of_the_chosen_backend_is_told() {
    let mut app = watched();
    press(&mut app, "jjj");
    let lines = screen(&app, 80, 24);
    let cause = "10.0.0.2:8080 ejected for 13s: 5 failures in 0.2 s: connection refused";
    assert!(lines.iter().any(|line| line == cause), "{lines:#?}");
}

#[test]
fn what_takes_traffic_away_is_confirmed() {
    let mut app = watched();
    press(&mut app, "/10.0.0.1\n");
    assert_eq!(press(&mut app, "d"), Asked::Nothing);
    let order = Order {
        verb: "drain",
        pool: "web".to_owned(),
        backend: "10.0.0.1:8080".to_owned(),
    };
    assert_eq!(app.mode, Mode::Confirm(order.clone()));
    let question = &screen(&app, 80, 24)[23];
    assert!(
        question.starts_with("NOTHING ELSE CAN BE PICKED. drain"),
        "{question}"
    );
    assert_eq!(press(&mut app, "n"), Asked::Nothing);
    assert_eq!(app.reply, "drain of 10.0.0.1:8080 not done");
    assert_eq!(press(&mut app, "dy"), Asked::Order(order.clone()));
    assert_eq!(
        press(&mut app, "xy"),
        Asked::Order(Order {
            verb: "disable",
            ..order.clone()
        })
    );
    let undrain = Order {
        verb: "undrain",
        ..order
    };
    assert_eq!(press(&mut app, "u"), Asked::Order(undrain));
}

#[test]
fn backends_are_filtered_and_sorted() {
    let mut app = watched();
    let names = |app: &App| {
        let shown = app.shown().into_iter();
        shown.map(|it| it.about.id).collect::<Vec<_>>()
    };
    assert_eq!(names(&app), [2, 0, 1]);
    press(&mut app, "sss");
    assert_eq!(names(&app), [0, 1, 2], "by rate");
    press(&mut app, "r");
    assert_eq!(names(&app), [2, 1, 0]);
    press(&mut app, "rss");
    assert_eq!(names(&app)[0], 1, "by errors");
    press(&mut app, "/eject\n");
    assert_eq!(names(&app), [1]);
    press(&mut app, "/x\n");
    assert!(screen(&app, 80, 24).contains(&"no backend matches; Esc shows all".to_owned()));
    press(&mut app, "\x1bp");
    assert_eq!(names(&app), [1, 0]);
    press(&mut app, "p");
    assert_eq!(names(&app), [2]);
    press(&mut app, "p");
    assert_eq!(names(&app).len(), 3);
    assert_eq!(press(&mut app, "q"), Asked::Quit);
}

#[test]
fn a_lost_lb_and_help_are_shown() {
    let mut app = watched();
    app.lost = Some("connection refused".to_owned());
    press(&mut app, "?");
    let lines = screen(&app, 80, 24);
    assert!(
        lines[0].contains("no answer: connection refused"),
        "{}",
        lines[0]
    );
    assert!(lines.iter().any(|line| line.contains("drain: nothing new")));
    press(&mut app, " ");
    assert_eq!(app.mode, Mode::Table);
}
