//! What is kept over a restart, as the text of a file.

use super::roster::Kept;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the form. One that is later is not read.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    pools: BTreeMap<String, Kept>,
}

/// What is kept of each pool, by name.
pub(crate) type Pools = BTreeMap<String, Kept>;

/// The text that keeps `pools`.
pub(crate) fn write(pools: Pools) -> Vec<u8> {
    let file = File {
        version: VERSION,
        pools,
    };
    // What is written has string keys and no way to fail.
    serde_json::to_vec_pretty(&file).unwrap_or_default()
}

/// Reads what [`write`] wrote. An empty text keeps nothing.
///
/// # Errors
/// It is something else, or of a later version: in words.
pub(crate) fn read(text: &[u8]) -> Result<Pools, String> {
    if text.trim_ascii().is_empty() {
        return Ok(Pools::new());
    }
    let file: File = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match file.version {
        VERSION => Ok(file.pools),
        other => Err(format!(
            "it is of version {other}, and this lb reads {VERSION}"
        )),
    }
}
