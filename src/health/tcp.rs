//! The check by connecting: whoever accepts, passes.
//!
//! It tells a process that is gone from one that is there. It cannot tell one that hangs: the
//! system accepts in its stead.

use super::Verdict;

/// One check by connecting.
#[derive(Clone, Copy, Debug)]
pub struct TcpProbe;

impl TcpProbe {
    /// The connection stands.
    ///
    /// # Errors
    /// None: that was all.
    #[allow(clippy::unused_self, reason = "the verdict is that of a check")]
    pub const fn connected(self) -> Verdict {
        Ok(())
    }
}
