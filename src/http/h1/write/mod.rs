//! HTTP/1.1 heads as bytes.

mod edit;
mod fixed_reply;
mod local_reply;
mod relayed;
mod request;
mod response;

pub use edit::{HeadEdit, edit_head, field_of};
pub use fixed_reply::{FixedReply, write_fixed_reply};
pub use local_reply::{LocalReply, local_page, write_local_reply};
pub use request::set_host;
pub(in crate::http) use request::write_request;
pub(in crate::http) use response::write_response;
