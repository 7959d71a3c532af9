//! Finds the pool that a command means.

use crate::command::admin_client::{AdminClient, Failure, encoded};
use serde_json::Value;

/// The path of a pool.
pub(super) fn path(pool: &str) -> String {
    format!("/v1/pools/{}", encoded(pool))
}

/// The names of all pools.
pub(super) fn pools(client: &AdminClient) -> Result<Vec<String>, Failure> {
    let all = client.get("/v1/pools")?.json()?;
    let pools = all["pools"].as_array().into_iter().flatten();
    let names = pools.filter_map(|pool| pool["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// The pool: the one that was `named`, else the only one.
pub(super) fn pool(client: &AdminClient, named: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    match <[String; 1]>::try_from(pools(client)?) {
        Ok([only]) => Ok(only),
        Err(pools) => Err(Failure::Unfit(format!(
            "there are {} pools: name one by --pool, of {}",
            pools.len(),
            listed(&pools)
        ))),
    }
}

/// The path of a backend: in the pool that was `named`, else in the only one that has it.
pub(super) fn backend(
    client: &AdminClient,
    named: Option<&str>,
    backend: &str,
) -> Result<String, Failure> {
    let pool = match named {
        Some(name) => name.to_owned(),
        None => pool_of(client, backend)?,
    };
    Ok(format!("{}/backends/{}", path(&pool), encoded(backend)))
}

fn pool_of(client: &AdminClient, backend: &str) -> Result<String, Failure> {
    let pools = pools(client)?;
    // What is wrong with the name, the only pool says.
    if let [only] = pools.as_slice() {
        return Ok(only.clone());
    }
    let mut with_it = Vec::new();
    for pool in pools {
        let all = client.get(&path(&pool))?.json()?;
        let has = |it: &Value| it["name"] == backend;
        if all["backends"].as_array().into_iter().flatten().any(has) {
            with_it.push(pool);
        }
    }
    match with_it.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::Unfit(format!(
            "no pool has a backend {backend}; lb ctl backends lists all"
        ))),
        several => Err(Failure::Unfit(format!(
            "{} pools have a backend {backend}: name one by --pool, of {}",
            several.len(),
            listed(several)
        ))),
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let first: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}
