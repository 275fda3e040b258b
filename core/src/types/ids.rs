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

/// One endpoint of a client: a provider's base URL and region. Its targets share connections, so they share what is
/// known of reaching it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EndpointId(pub u32);

/// One correlation domain of a client: what fails together, such as one cloud region or one vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DomainId(pub u32);
