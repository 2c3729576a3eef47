//! The gRPC interfaces of Holdfast: generated code, and nothing else.
//!
//! `admin.v1` is what operators and `chaos` speak to a node, `issuer.v1` what the issuer's own systems do; `peer.v1` is
//! what nodes speak among themselves.
//! The files are compiled by `build.rs` without a system `protoc`. Tags are for ever; a field that goes leaves
//! `reserved` behind, with a word on what it was.
#![allow(missing_docs)]

/// The operator's interface.
pub mod admin {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("holdfast.admin.v1");
    }
}

/// The issuer's interface.
pub mod issuer {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("holdfast.issuer.v1");
    }
}

/// The interface between nodes.
pub mod peer {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("holdfast.peer.v1");
    }
}
