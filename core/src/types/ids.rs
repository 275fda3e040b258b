//! The client's numbers for what its config names. They mean something within one client only.

/// One key of one provider, as an index into the client's pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// Which provider.
    pub provider: usize,
    /// Which of its keys; 0 stands for "none needed" where it has no keys.
    pub key: usize,
}

/// One target of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetId(pub u64);

/// One endpoint: what several targets of one provider share (host, connections, edge).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EndpointId(pub u32);

/// One correlation domain: what fails together (same cloud region, same vendor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DomainId(pub u32);

/// One quota group: keys of one account, which share its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(pub u32);

/// One route of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RouteId(pub u32);
