//! The end of an exchange: its record, and what becomes of the client connection.

use super::log_fields::LogFields;
use super::state::{Exchange, Phase};
use crate::address::ClientAddress;
use crate::error::{Fault, Refusal};
use crate::telemetry::{Record, RequestTexts};
use crate::time::Timestamp;
use crate::transport::{IoContext, Pipes};
use std::net::SocketAddr;
use std::num::NonZeroU16;

/// What to do with a client connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseMode {
    /// It carries the next request.
    Keep,
    /// It has its last response and sends no more: it is closed.
    Graceful,
    /// It has its last response and may still be sending: its input is discarded for a while.
    Linger,
    /// Its response was cut: it is closed.
    Abrupt,
}

impl<Pipe> Exchange<Pipe> {
    /// The one record of this exchange.
    pub(crate) fn record(&self, client: ClientAddress, now: Timestamp) -> Record {
        let stats = &self.stats;
        let named = stats.log_fields.as_ref().and_then(LogFields::client);
        Record {
            started_at: stats.started_at,
            client: named.map_or(client, |ip| SocketAddr::new(ip, 0).into()),
            status: stats.status.map(NonZeroU16::get),
            bytes_in: stats.head_bytes as u64 + self.upload.received(),
            bytes_out: stats.interim_bytes + self.download.passed(),
            pool: self.pool,
            backend: stats.backend,
            queue_time: stats.queue_time(now),
            connect_time: stats.connect_time,
            first_byte_time: stats.first_byte_time,
            total_time: now.since(stats.started_at),
            retries: stats.retries(),
            fault: stats.fault,
        }
    }

    /// The texts of its request, for the access log.
    pub(crate) fn request_texts(&self) -> RequestTexts<'_> {
        let fields = self.stats.log_fields.as_ref();
        fields.map(LogFields::texts).unwrap_or_default()
    }

    /// Decides whether the client connection is kept, lingers or is closed.
    pub(crate) fn close_mode(&self) -> CloseMode {
        let delivered = self.download.is_done();
        // A client that counts on its connection may be sending its next request by now.
        let may_be_sending = self.request.persistent || !self.upload.is_done();
        match self.phase {
            Phase::Responding { persistent, .. } | Phase::LocalReply { persistent }
                if delivered && persistent =>
            {
                CloseMode::Keep
            }
            // Closing while the client sends would reset the connection.
            Phase::LocalReply { .. } if delivered => CloseMode::Linger,
            Phase::Responding { .. } if delivered && may_be_sending => CloseMode::Linger,
            Phase::Responding { .. } if delivered => CloseMode::Graceful,
            // It has an alert to read.
            Phase::AwaitingHead if self.stats.fault == Some(Fault::Refused(Refusal::TlsFailed)) => {
                CloseMode::Linger
            }
            Phase::AwaitingHead
            | Phase::Responding { .. }
            | Phase::LocalReply { .. }
            | Phase::Tunnel { .. } => CloseMode::Abrupt,
        }
    }

    /// Returns whether the backend connection may serve another exchange.
    pub(crate) const fn keeps_backend_conn(&self) -> bool {
        match self.phase {
            Phase::Responding { reusable, .. } => reusable,
            Phase::AwaitingHead | Phase::LocalReply { .. } | Phase::Tunnel { .. } => false,
        }
    }

    /// Gives its buffers and pipes back.
    pub(crate) fn release<P: Pipes<Pipe = Pipe>>(&mut self, ctx: &mut IoContext<P>) {
        self.upload.release(ctx);
        self.download.release(ctx);
        if let Some(fields) = self.stats.log_fields.take() {
            ctx.buffers.give(fields.into_buffer());
        }
    }
}
