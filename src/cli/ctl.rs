//! The flags of `lb ctl`, and the [`Steering`] they order.

mod help;

use super::Invocation;
use super::admin_flags::AdminFlags;
use clap::{Args, Subcommand, ValueEnum};
use lb::config::HumanDuration;
use std::path::PathBuf;

/// The arguments of `lb ctl`.
#[derive(Debug)]
pub(crate) struct Steering {
    pub(crate) admin: AdminFlags,
    /// The pool; `None`: the only one, or the one with the backend.
    pub(crate) pool: Option<String>,
    /// True if what lb answers is printed as it comes.
    pub(crate) json: bool,
    /// Time between two looks, if it is shown again and again.
    pub(crate) watch: Option<HumanDuration>,
    pub(crate) verb: Verb,
}

#[derive(Args, Debug)]
#[command(
    about = "Show and steer a running lb",
    long_about = help::LONG_ABOUT,
    after_long_help = help::after_long(),
    after_help = "lb ctl --help has examples and exit codes; so has each command.",
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
pub(super) struct CtlFlags {
    #[command(flatten)]
    admin: AdminFlags,

    /// Pool that is meant
    ///
    /// Not needed if there is one pool, or if only one has a backend of the name.
    #[arg(id = "running-pool", long = "pool", global = true, value_name = "NAME")]
    pool: Option<String>,

    /// Print what lb answers, as JSON
    #[arg(id = "running-json", long = "json", global = true)]
    json: bool,

    /// Show it again and again, every 2s or TIME, until it is stopped
    #[arg(id = "running-watch", long = "watch", global = true, value_name = "TIME", num_args = 0..=1,
        default_missing_value = "2s", require_equals = true)]
    watch: Option<HumanDuration>,

    #[command(subcommand)]
    verb: Verb,
}

impl CtlFlags {
    pub(super) fn invocation(self) -> Invocation {
        let Self {
            admin,
            pool,
            json,
            watch,
            verb,
        } = self;
        Invocation::Steer(Box::new(Steering {
            admin,
            pool,
            json,
            watch,
            verb,
        }))
    }
}

/// What is asked of the running lb.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Version, time since the start, connections, pools; exit code 1 if it is not ready
    Status,
    /// The pools: strategy, backends in each state
    Pools,
    /// The backends: state and cause, in flight, responses, response times
    Backends,
    /// The routes of all listeners
    Routes,
    /// The listeners
    Listeners,
    /// The workers
    Workers,
    /// The last events, oldest first
    Events(EventFlags),
    /// What the strategy makes of each backend now
    Explain(ExplainFlags),
    /// The last picks
    ///
    /// They are kept from the first look until 30 s after the last: look twice.
    Picks(PickFlags),
    /// How the last exchanges would have gone with another strategy or number of servers
    WhatIf(WhatIfFlags),
    /// The metrics, as OpenMetrics text
    Metrics,
    /// Give a backend nothing new; what is under way goes on
    Drain(Named),
    /// Take a drained or disabled backend back
    Undrain(Named),
    /// Give a backend nothing at all, health checks included
    Disable(Named),
    /// Take a disabled or drained backend back
    Enable(Named),
    /// Set the weight of a backend
    Weight(WeightFlags),
    /// Limit the exchanges of a backend at once
    MaxConnections(MaxConnectionsFlags),
    /// Say how well a backend is, whatever is measured
    Health(HealthFlags),
    /// Add a backend
    Add(AddFlags),
    /// Drain a backend, then remove it
    Remove(RemoveFlags),
    /// Pick by another strategy from now on
    Strategy(StrategyFlags),
    /// Forget response times and failures, which are learned anew
    ClearLearned,
    /// Read, declare or empty a set of backends
    #[command(
        subcommand,
        disable_help_subcommand = true,
        arg_required_else_help = false
    )]
    Set(SetVerb),
    /// Read the configuration file again
    Reload,
}

/// A backend.
#[derive(Args, Clone, Debug)]
pub(crate) struct Named {
    /// Name of the backend
    #[arg(value_name = "BACKEND")]
    pub(crate) backend: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EventFlags {
    /// Go on with events as they happen
    #[arg(long)]
    pub(crate) follow: bool,

    /// Only events after the one of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainFlags {
    /// What stands in a request where the strategy looks: an address, a target, a value
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PickFlags {
    /// Only those of this backend
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WhatIfFlags {
    /// The other strategy
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,

    /// The other number of servers
    #[arg(long, value_name = "N")]
    pub(crate) servers: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WeightFlags {
    #[command(flatten)]
    pub(crate) named: Named,

    /// 1 to 256; auto gives a backend of a set the weight of its set again
    #[arg(value_name = "N|auto", value_parser = or_word("auto"))]
    pub(crate) weight: Number,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct MaxConnectionsFlags {
    #[command(flatten)]
    pub(crate) named: Named,

    /// At least 1; default for what lb was started with
    #[arg(value_name = "N|default", value_parser = or_word("default"))]
    pub(crate) max: Number,
}

/// A number, or a word in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) Option<u32>);

/// Reads a number, or `word`.
fn or_word(word: &'static str) -> impl Fn(&str) -> Result<Number, String> + Clone {
    move |text| match text.parse() {
        _ if text == word => Ok(Number(None)),
        Ok(number) => Ok(Number(Some(number))),
        Err(_) => Err(format!("give a whole number, or {word}")),
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HealthFlags {
    #[command(flatten)]
    pub(crate) named: Named,

    /// up keeps it in, down keeps it out, auto leaves it to checks and responses again
    #[arg(value_name = "up|down|auto")]
    pub(crate) health: HealthWord,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum HealthWord {
    Up,
    Down,
    Auto,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AddFlags {
    /// IP:PORT or unix:PATH
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,

    /// Name of the backend: its address unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Share relative to the others, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) weight: u32,

    /// Limit of its exchanges at once
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<u32>,

    /// Give it its whole share at once, without a trial request
    #[arg(long)]
    pub(crate) warm: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RemoveFlags {
    #[command(flatten)]
    pub(crate) named: Named,

    /// Time for what is under way to end; 0s closes it at once
    #[arg(long, value_name = "TIME",
        default_value_t = HumanDuration(std::time::Duration::from_secs(300)))]
    pub(crate) drain: HumanDuration,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StrategyFlags {
    /// The strategy; lb --strategy list prints all
    #[arg(value_name = "NAME")]
    pub(crate) strategy: String,
}

/// What is asked of a set.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SetVerb {
    /// The set of an owner that is in force
    Get(Owner),
    /// Declare all the backends that an owner wants
    Put(PutFlags),
    /// Drain and remove all backends of a set, by an empty one of the next revision
    Delete(DeleteFlags),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Owner {
    /// Name of the owner
    #[arg(value_name = "OWNER")]
    pub(crate) owner: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PutFlags {
    #[command(flatten)]
    pub(crate) owner: Owner,

    /// File with the set as JSON; - for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Also if less than half of the backends that may be picked would be left
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DeleteFlags {
    #[command(flatten)]
    pub(crate) owner: Owner,

    /// Also if less than half of the backends that may be picked would be left
    #[arg(long)]
    pub(crate) force: bool,
}
