use std::time::Duration;

/// The numbers of health. The defaults are those of the reliability reference, §1.3, but where noted.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthSettings {
    /// So many hard faults in a row open a breaker. Default 5.
    pub consecutive: u32,
    /// So many in a row are enough when they span [`Self::low_traffic_span`]. Default 3: at one call every 4 s, five
    /// would cost 20 s of failing calls.
    pub low_traffic_consecutive: u32,
    /// How long a shorter run must have lasted. Default 5 s.
    pub low_traffic_span: Duration,
    /// So many failed connections in a row open an endpoint's breaker. Default 3.
    pub connect_failures: u32,
    /// How far back rates look, and how long a degraded target is watched before it is judged again. Default 60 s.
    pub window: Duration,
    /// Rates need so many starts. Default 10.
    pub min_starts: u32,
    /// This share of failed starts opens a breaker. Default 0.5.
    pub failure_rate: f64,
    /// This share of slow starts makes a target degraded. Default 0.8.
    pub slow_rate: f64,
    /// A first content that comes earlier is never slow. Default 10 s.
    pub slow_floor: Duration,
    /// A first content is slow when it takes more than so many times the median. Default 5.
    pub slow_factor: f64,
    /// This share of broken streams makes a target degraded. Default 0.25.
    pub cut_degraded: f64,
    /// This share of broken streams opens its breaker. Default 0.5.
    pub cut_open: f64,
    /// The share of broken streams needs so many streams. Default 8.
    pub min_streams: u32,
    /// So many bad windows of a degraded target open its breaker. Default 2.
    pub bad_windows: u32,
    /// How long a breaker is open the first time; it doubles each time in a row. Of it, a random quarter is taken off.
    /// Default 10 s.
    pub open_base: Duration,
    /// It is never open longer, whatever the vendor asks: longer waits are quotas, not health. Default 300 s.
    pub open_max: Duration,
    /// Each healthy stretch of this length halves the next open time. Default 60 s.
    pub heal_every: Duration,
    /// A recovering target is back when so many attempts may begin at once, or as many as were under way at its busiest
    /// before it opened, whichever is more. Default 8.
    pub ramp_full: u32,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            consecutive: 5,
            low_traffic_consecutive: 3,
            low_traffic_span: Duration::from_secs(5),
            connect_failures: 3,
            window: Duration::from_secs(60),
            min_starts: 10,
            failure_rate: 0.5,
            slow_rate: 0.8,
            slow_floor: Duration::from_secs(10),
            slow_factor: 5.0,
            cut_degraded: 0.25,
            cut_open: 0.5,
            min_streams: 8,
            bad_windows: 2,
            open_base: Duration::from_secs(10),
            open_max: Duration::from_secs(300),
            heal_every: Duration::from_secs(60),
            ramp_full: 8,
        }
    }
}
