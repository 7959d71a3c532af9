//! Draws the screen of `lb top`.

use super::app::{App, Column, Mode};
use super::model::{Backend, Pool};
use crate::command::table::{age, count, elided, shortened, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Clear, Paragraph, Row, Table, TableState};
use serde_json::Value;
use std::time::Duration;

/// Rows of pools that are shown at most.
const MAX_POOL_ROWS: usize = 4;
/// Rows of events.
const EVENT_ROWS: u16 = 6;

const HELP: &str = "\
 up down PgUp PgDn Home End   choose a backend
 d  drain: nothing new, what is under way goes on
 u  undrain: take it back, from drain or disable
 x  disable: nothing at all, health checks included
 s  sort by the next column        r  the other way round
 /  filter by name or state        Esc  show all
 p  the next pool; after the last, all pools
 q  quit
 REQ/S is of the last 2 s, P50 and P99 of the last 5 s.";

pub(super) fn draw(app: &App, frame: &mut Frame<'_>) {
    let pools = app.model.pools.len().clamp(1, MAX_POOL_ROWS) as u16;
    let [head, of_pools, table, detail, events, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(pools),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(EVENT_ROWS),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(app), head);
    frame.render_widget(pool_lines(app, of_pools), of_pools);
    draw_table(app, frame, table);
    frame.render_widget(detail_line(app, detail.width.into()), detail);
    frame.render_widget(event_lines(app, events), events);
    frame.render_widget(footer(app), foot);
    if app.mode == Mode::Help {
        draw_help(frame);
    }
}

fn header(app: &App) -> Paragraph<'static> {
    let model = &app.model;
    let total: f64 = model.pools.iter().map(|pool| pool.rate.per_second()).sum();
    let mut spans = vec![
        Span::styled(
            format!("lb {}", model.version),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!(
            "  up {}  {} workers  {} connections  {} req/s",
            age(model.uptime),
            model.workers,
            count(model.connections),
            rate(total),
        )),
    ];
    if let Some(lost) = &app.lost {
        let style = Style::new().fg(Color::White).bg(Color::Red);
        spans = vec![Span::styled(format!(" no answer: {lost} "), style)];
    }
    Paragraph::new(Line::from(spans))
}

/// The pools, from the one that is shown.
fn pool_lines(app: &App, area: Rect) -> Paragraph<'static> {
    let pools = &app.model.pools;
    let first = pools
        .iter()
        .position(|pool| app.pool.as_ref() == Some(&pool.name))
        .unwrap_or_default();
    let shown = pools
        .iter()
        .skip(first.min(pools.len().saturating_sub(area.height.into())));
    let lines = shown.take(area.height.into()).map(|pool| {
        let is_chosen = app.pool.as_ref() == Some(&pool.name);
        let mark = if is_chosen { ">" } else { " " };
        let text = shortened(&format!("{mark}{}", of_pool(pool)), area.width.into());
        let is_bad = pool.refused_rate.per_second() > 0.0 || pool.figures.queued > 0;
        match is_bad {
            true => Line::styled(text, Style::new().fg(Color::Yellow)),
            false => Line::raw(text),
        }
    });
    Paragraph::new(lines.collect::<Vec<_>>())
}

fn of_pool(pool: &Pool) -> String {
    let figures = &pool.figures;
    format!(
        "{} {}: {} req/s, {} in flight, {} queued, {} refused, p50 {}, p99 {}",
        pool.name,
        pool.strategy,
        rate(pool.rate.per_second()),
        count(figures.in_flight),
        count(figures.queued),
        count(figures.refused),
        time(figures.p50),
        time(figures.p99),
    )
}

fn draw_table(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let shown = app.shown();
    let several = app.model.pools.len() > 1;
    // What the other columns and the gaps between them leave.
    let name_width = usize::from(area.width).saturating_sub(62).max(12);
    let column = |title: &str, of: Option<Column>| {
        let is_sorted = of == Some(app.sort);
        let mark = match (is_sorted, app.is_reversed) {
            (false, _) => "",
            (true, false) => "▼",
            (true, true) => "▲",
        };
        format!("{title}{mark}")
    };
    let head = [
        column("BACKEND", Some(Column::Name)),
        column("STATE", Some(Column::State)),
        column("WT", None),
        column("FLIGHT", Some(Column::InFlight)),
        column("REQ/S", Some(Column::Rate)),
        column("P50", None),
        column("P99", Some(Column::P99)),
        column("5XX", None),
        column("ERRORS", Some(Column::Errors)),
    ];
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = shown
        .iter()
        .map(|backend| row(backend, several, name_width));
    let widths = [
        Constraint::Min(12),
        Constraint::Length(10),
        Constraint::Length(3),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(7),
    ];
    let table = Table::new(rows, widths)
        .header(head)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let chosen = (!shown.is_empty()).then(|| app.place(&shown));
    let mut state = TableState::new().with_selected(chosen);
    frame.render_stateful_widget(table, area, &mut state);
    if shown.is_empty() {
        let text = match app.model.backends.is_empty() {
            true => "no backends",
            false => "no backend matches; Esc shows all",
        };
        let below = Rect {
            y: area.y.saturating_add(1).min(area.bottom()),
            height: 1.min(area.height),
            ..area
        };
        frame.render_widget(Paragraph::new(text), below);
    }
}

fn row(backend: &Backend, several: bool, name_width: usize) -> Row<'static> {
    let (about, figures) = (&backend.about, &backend.figures);
    let name = match several {
        true => format!("{}/{}", backend.pool, about.name),
        false => about.name.clone(),
    };
    let in_flight = figures.in_flight + figures.tunnels;
    let in_flight = match about.max_in_flight {
        Some(max) => format!("{in_flight}/{max}"),
        None => count(in_flight),
    };
    let style = match about.state.as_str() {
        "healthy" => Style::new(),
        "ejected" => Style::new().fg(Color::Red),
        "draining" | "disabled" => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new().fg(Color::Yellow),
    };
    let has_errors = backend.error_rate.per_second() > 0.0;
    let errors = match has_errors {
        true => Style::new().fg(Color::Red),
        false => Style::new(),
    };
    Row::new([
        Cell::new(elided(&name, name_width)),
        Cell::new(about.state.clone()).style(style),
        right(about.weight.to_string(), 3),
        right(in_flight, 9),
        right(rate(backend.rate.per_second()), 7),
        right(time(figures.p50), 6),
        right(time(figures.p99), 6),
        right(count(figures.failed), 6),
        right(count(figures.errors), 7).style(errors),
    ])
}

/// At the right of its column.
fn right(text: String, width: usize) -> Cell<'static> {
    Cell::new(format!("{text:>width$}"))
}

/// The cause of the state of the chosen backend.
fn detail_line(app: &App, width: usize) -> Paragraph<'static> {
    let shown = app.shown();
    let text = shown.get(app.place(&shown)).map_or_else(String::new, |it| {
        let about = &it.about;
        let since = (app.model.at - about.since).max(0.0);
        let since = Duration::try_from_secs_f64(since).unwrap_or_default();
        let mut text = format!("{} {} for {}", about.name, about.state, age(since));
        if let Some(cause) = &about.cause {
            text.push_str(&format!(": {cause}"));
        }
        if about.departing {
            text.push_str("; is to be removed");
        }
        if let Some(said) = about.operator.as_ref().and_then(Value::as_object) {
            let said = said.iter().filter(|(_, value)| !value.is_null());
            let said: Vec<_> = said.map(|(key, value)| format!("{key} {value}")).collect();
            text.push_str(&format!("; operator: {}", said.join(", ").replace('"', "")));
        }
        if about.address != about.name {
            text.push_str(&format!("; {}", about.address));
        }
        text
    });
    let style = Style::new().fg(Color::Cyan);
    Paragraph::new(Line::styled(shortened(&text, width), style))
}

/// The newest events, the last at the bottom.
fn event_lines(app: &App, area: Rect) -> Paragraph<'static> {
    let rows = usize::from(area.height).saturating_sub(1);
    let events = &app.model.events;
    let skipped = events.len().saturating_sub(rows);
    let rule = "─".repeat(usize::from(area.width).saturating_sub(9));
    let mut lines = vec![Line::raw(format!("─ events {rule}"))];
    let newest = events.iter().skip(skipped);
    lines.extend(newest.map(|it| Line::raw(shortened(it, area.width.into()))));
    Paragraph::new(lines)
}

fn footer(app: &App) -> Paragraph<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let line = match &app.mode {
        Mode::Filter => Line::styled(format!("/{}_   Enter: done, Esc: all", app.filter), bold),
        Mode::Confirm(order) => {
            let rest = match app.others_in(order) {
                0 => "NOTHING ELSE CAN BE PICKED. ",
                _ => "",
            };
            Line::styled(
                format!(
                    "{rest}{} {}? y: yes, any other key: no",
                    order.verb, order.backend
                ),
                Style::new().fg(Color::Black).bg(Color::Yellow),
            )
        }
        Mode::Table | Mode::Help if !app.reply.is_empty() => {
            Line::styled(format!("{}   (Esc)", app.reply), bold)
        }
        Mode::Table | Mode::Help => {
            let mut keys = "d drain  u undrain  x disable  s sort  r reverse  / filter  \
                            p pool  ? help  q quit"
                .to_owned();
            if !app.filter.is_empty() {
                keys = format!("showing {} (Esc: all)  {keys}", app.filter);
            }
            Line::raw(keys)
        }
    };
    Paragraph::new(line)
}

fn draw_help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let lines = HELP.lines().count() as u16;
    let width = HELP.lines().map(str::len).max().unwrap_or_default() as u16 + 1;
    let (width, height) = (width.min(area.width), lines.min(area.height));
    let middle = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, middle);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(HELP).style(style), middle);
}

fn rate(per_second: f64) -> String {
    match per_second {
        // Compared as it will be shown.
        slow if slow > 0.0 && slow < 9.95 => format!("{slow:.1}"),
        fast => count(fast.round() as u64),
    }
}

fn time(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_owned(), |it| span(Duration::from_micros(it)))
}
