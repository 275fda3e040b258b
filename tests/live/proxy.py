"""Envoy's configuration: for each script a listener that ejects hosts (it stands where the core stands), and, where the
script says so, two listeners with a fault filter in front of A, one for Envoy's calls and one for ours."""

from __future__ import annotations

from typing import Any

from faults import Script

LOOPBACK = "127.0.0.1"
# How long Envoy waits for one host; the first-token limit of the core's route is the same.
ONE_TRY = "1s"
TYPE = "type.googleapis.com/"
HTTP = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def cluster(name: str, hosts: list[int], split: bool | None) -> dict[str, Any]:
    """The first host is preferred: each has a priority of its own. Hosts are ejected unless ``split`` is None."""
    made: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"priority": priority, "lb_endpoints": [{"endpoint": {"address": address(port)}}]}
                for priority, port in enumerate(hosts)
            ],
        },
    }
    if split is not None:
        made["outlier_detection"] = {
            "consecutive_5xx": 5,
            "interval": "1s",
            "base_ejection_time": "10s",
            "max_ejection_percent": 100,
            "split_external_local_origin_errors": split,
            "consecutive_local_origin_failure": 5,
        }
    return made


def listener(
    name: str, port: int, route: dict[str, Any], fault: dict[str, Any] | None, log: str | None
) -> dict[str, Any]:
    filters: list[dict[str, Any]] = []
    if fault is not None:
        filters.append({"name": "envoy.filters.http.fault", "typed_config": fault})
    router = {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router"}
    filters.append({"name": "envoy.filters.http.router", "typed_config": router})
    manager: dict[str, Any] = {
        "@type": HTTP,
        "stat_prefix": name,
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [{"name": name, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]
        },
    }
    if log is not None:
        line = "%START_TIME(%s.%3f)% %REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS%\n"
        file = {
            "@type": TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log,
            "log_format": {"text_format_source": {"inline_string": line}},
        }
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": file}]
    return {
        "name": name,
        "address": address(port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def runtime_key(script: Script) -> str:
    """The share of requests, in per cent, that the script's fault filter hits now."""
    return f"hotspare.{script.slug}.percent"


def fault_filter(script: Script) -> dict[str, Any]:
    assert script.fault is not None
    none = {"numerator": 0, "denominator": "HUNDRED"}
    made: dict[str, Any] = {"@type": TYPE + "envoy.extensions.filters.http.fault.v3.HTTPFault"}
    if "delay" in script.fault:
        made["delay"] = {"fixed_delay": script.fault["delay"], "percentage": none}
        made["delay_percent_runtime"] = runtime_key(script)
    else:
        made["abort"] = {"http_status": script.fault["abort"], "percentage": none}
        made["abort_percent_runtime"] = runtime_key(script)
    return made


def ejecting(script: Script, port: int, hosts: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A failed request is tried once more, on the next priority, as the core does."""
    retry = {
        "retry_on": "5xx,reset,connect-failure,retriable-status-codes",
        "retriable_status_codes": [429],
        "num_retries": 1,
        "per_try_timeout": ONE_TRY,
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
    }
    route = {"cluster": script.name, "timeout": "5s", "retry_policy": retry}
    return listener(script.name, port, route, None, None), cluster(script.name, hosts, script.split)


def faulty(name: str, port: int, to: int, script: Script, log: str) -> tuple[dict[str, Any], dict[str, Any]]:
    route = {"cluster": name, "timeout": "10s"}
    return listener(name, port, route, fault_filter(script), log), cluster(name, [to], None)


def bootstrap(admin: int, parts: list[tuple[dict[str, Any], dict[str, Any]]], ejections: str) -> dict[str, Any]:
    return {
        "admin": {"address": address(admin)},
        "node": {"id": "hotspare", "cluster": "hotspare"},
        "cluster_manager": {"outlier_detection": {"event_log_path": ejections}},
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "listeners": [listener for listener, _ in parts],
            "clusters": [cluster for _, cluster in parts],
        },
    }
