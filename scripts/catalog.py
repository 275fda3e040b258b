#!/usr/bin/env python3
"""Writes core/src/catalog/models/*.json, one file a vendor and one line a model, and docs/catalog-disagreements.tsv.

Prices and windows are genai-prices'; limits, flags and a cross-check are LiteLLM's; what both leave open is
models.dev's; what none has right is scripts/catalog-overlay.toml. Versions are pinned in catalog_sources.py.
"""

import argparse
import datetime
import fnmatch
import json
import re
import sys
from pathlib import Path

import tomllib
from catalog_sources import GENAI, LITELLM, MODELS_DEV, PRICES, ROOT, Genai, Litellm, ModelsDev, tidy

OVERLAY = ROOT / "scripts" / "catalog-overlay.toml"
MODELS = ROOT / "core" / "src" / "catalog" / "models"
DISAGREEMENTS = ROOT / "docs" / "catalog-disagreements.tsv"

# Our vendor: genai-prices' name; LiteLLM's names, and the prefix of its ids there; models.dev's names.
VENDORS = {
    "openai": ("openai", {"openai": ""}, ["openai"]),
    "anthropic": ("anthropic", {"anthropic": ""}, ["anthropic"]),
    "gemini": ("google", {"gemini": "gemini/"}, ["google"]),
    "vertex": (
        "google",
        {
            f"vertex_ai{tail}": "vertex_ai/"
            for tail in (
                "",
                "-language-models",
                "-anthropic_models",
                "-llama_models",
                "-mistral_models",
                "-ai21_models",
                "-deepseek_models",
                "-minimax_models",
                "-moonshot_models",
                "-openai_models",
                "-qwen_models",
                "-zai_models",
                "-embedding-models",
            )
        },
        ["google-vertex", "google-vertex-anthropic"],
    ),
    "azure": ("azure", {"azure": "azure/", "azure_ai": "azure_ai/"}, ["azure", "azure-cognitive-services"]),
    "bedrock": ("aws", {"bedrock": "", "bedrock_converse": ""}, ["amazon-bedrock"]),
    "mistral": ("mistral", {"mistral": "mistral/"}, ["mistral"]),
    "deepseek": ("deepseek", {"deepseek": "deepseek/"}, ["deepseek"]),
    "qwen": (None, {"dashscope": "dashscope/", "qwencloud": "qwencloud/"}, ["alibaba"]),
    "cohere": ("cohere", {"cohere": "cohere/", "cohere_chat": ""}, ["cohere"]),
    "xai": ("x-ai", {"xai": "xai/"}, ["xai"]),
    "groq": ("groq", {"groq": "groq/"}, ["groq"]),
    "together": ("together", {"together_ai": "together_ai/"}, ["togetherai"]),
    "fireworks": (
        "fireworks",
        {"fireworks_ai": "fireworks_ai/", "fireworks_ai-embedding-models": "fireworks_ai/"},
        ["fireworks-ai"],
    ),
    "openrouter": ("openrouter", {}, ["openrouter"]),
    "perplexity": ("perplexity", {"perplexity": "perplexity/"}, ["perplexity", "perplexity-agent"]),
    "cerebras": ("cerebras", {"cerebras": "cerebras/"}, ["cerebras"]),
    "moonshot": ("moonshotai", {"moonshot": "moonshot/"}, ["moonshotai"]),
    "zai": ("zai", {"zai": "zai/"}, ["zai"]),
}
# Hugging Face's router sells the models of others: genai-prices has a list for each.
HUGGINGFACE = "huggingface_"

CHAT_MODES = {"chat", "responses"}
# Ids of what is neither chat nor embedding, in the lists that do not say what a model is for.
OTHER = re.compile(
    r"image|tts|whisper|transcri|audio|realtime|speech|voice|sonic|ocr|rerank|moderation|guard|dall-e|sora|veo|imagen|"
    r"live|lyria|orpheus|nano-banana|omni|computer-use|video|babbage|davinci|^ada$|^curie$|instruct-edit|decider|search"
)
# What LiteLLM calls chat and is not: it answers with sound.
MISLABELLED = re.compile(r"^lyria|-tts$")
EMBEDDING = re.compile(r"embed|bge-|gte-|^UAE|/UAE|e5-|m2-bert")
# LiteLLM's spelling of where a model is bought, which is no part of its id.
PLACES = re.compile(r"^(eu|us|au|global|global-standard|hd|low|medium|high|standard|\d+-x-\d+|container)(/|$)|^container")
DATED = re.compile(r"^(.*?)(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8}|@default)$")
PROFILE = re.compile(r"^(?:us|eu|apac|au|jp|global|us-gov|ca|in|ae)\.(.+)$")

FIELDS = [
    *("kind", *PRICES, "tiers", "batch_input", "batch_output"),
    *("context_window", "max_input", "max_output", "dimensions"),
    *("vision", "documents", "audio", "tools", "parallel_tools", "json_schema", "system"),
    *("reasoning", "efforts", "sampling", "prefill", "responses"),
    *("knowledge", "retires", "deprecated", "disputed", "source"),
]
PRICED = {*PRICES, "tiers", "batch_input", "batch_output", "kind", "retires", "deprecated", "disputed", "source"}
# What two sources are held against each other by, besides tiers and windows.
COMPARED = (*PRICES, "batch_input", "batch_output")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--date", type=datetime.date.fromisoformat, default=datetime.date(2026, 11, 23), help="day of the prices"
    )
    day = parser.parse_args().date
    genai, litellm, models_dev = Genai(day), Litellm(), ModelsDev()
    overlay = Overlay(tomllib.loads(OVERLAY.read_text()))
    catalog, disagreements = {}, []
    for vendor in VENDORS:
        catalog[vendor] = vendor_models(vendor, genai, litellm, models_dev, disagreements)
    catalog["huggingface"] = huggingface_models(genai, models_dev)
    overlay.apply(catalog)
    for vendor, models in catalog.items():
        for facts in models.values():
            finish(facts)
        catalog[vendor] = dropped_copies({model: facts for model, facts in models.items() if of_use(model, facts)})
    disagreements = [line for line in disagreements if line[1] in catalog[line[0]]]
    write(catalog, disagreements, day)


def vendor_models(vendor, genai, litellm, models_dev, disagreements):
    """Every model of a vendor that a source has a price or a limit of."""
    theirs, names, third = VENDORS[vendor]
    known = litellm_ids(vendor, litellm, names)
    ids = dict.fromkeys(model for model, entry in known.items() if kind_of(model, entry) is not None)
    for entry in genai.models.get(theirs, []):
        model = genai_id(vendor, entry["id"])
        if model is not None and model not in known and kind_of(model, None) is not None and not alias(entry, known):
            ids[model] = None
    models = {}
    for model in ids:
        entry = known.get(model)
        one = genai.find(theirs, model.removeprefix("accounts/fireworks/models/"))
        first = genai.facts(one) if one else {}
        second = litellm.facts(entry) if entry else {}
        facts = {"kind": kind_of(model, entry)}
        third_facts = next(filter(None, (models_dev.facts(name, model) for name in third)), {})
        facts |= third_facts | second | first
        if entry and one and "free" in model and not second.get("input") and not first.get("input"):
            facts |= {"input": 0.0, "output": 0.0}
        merge_limits(facts, first, second, third_facts)
        facts["source"] = [n for n, s in (("genai-prices", first), ("litellm", second), ("models.dev", third_facts)) if s]
        if entry and entry["mode"] == "responses":
            facts["responses"] = "only"
        facts["disputed"] = compare(facts, first, second, (vendor, model), disagreements)
        models[model] = facts
    return models


def litellm_ids(vendor, litellm, names):
    """LiteLLM's entries of a vendor by the vendor's own id; ids that only say where a model is bought are left out."""
    found = {}
    for key, entry in litellm.entries.items():
        prefix = names.get(entry.get("litellm_provider"))
        if prefix is None:
            continue
        model = key.removeprefix(prefix) if prefix else key
        if vendor == "bedrock" and "/" in model:
            continue
        if vendor == "azure" and PLACES.match(model):
            continue
        if vendor == "fireworks":
            if "/" not in model:
                model = f"accounts/fireworks/models/{model}"
            if model.endswith(("-embedding-150m-to-350m", "-up-to-150m")) or re.search(r"fireworks-ai-", model):
                continue
        if re.match(r"together-ai-", model):
            continue
        # The prefixed spelling is LiteLLM's own and the more careful one.
        if model not in found or key != model:
            found[model] = entry
    return found


def genai_id(vendor, model):
    """A vendor's own id of what genai-prices calls by a name."""
    if vendor == "fireworks":
        return f"accounts/fireworks/models/{model}"
    if vendor == "zai":
        return model.lower()
    if vendor in ("gemini", "vertex") and model.startswith(("claude", "gemini-flash-1", "gemini-pro")):
        return None
    return model


def alias(entry, known):
    """Whether genai-prices names a model by an id that LiteLLM has under one that the vendor documents."""
    clauses = entry["match"].get("or_", [entry["match"]])
    return any(clause.get("equals") in known for clause in clauses)


def kind_of(model, entry):
    """`chat`, `embedding`, or None for what is neither."""
    if entry is not None:
        mode = entry.get("mode")
        if mode in CHAT_MODES and not MISLABELLED.search(model):
            return "chat"
        return "embedding" if mode == "embedding" else None
    if EMBEDDING.search(model):
        return "embedding"
    return None if OTHER.search(model.lower()) else "chat"


def merge_limits(facts, first, second, third):
    """The window and the limits: sources call the same number by different names."""
    window = first.get("context_window") or second.get("max_input") or third.get("context_window")
    most = second.get("max_input")
    output = facts.get("max_output")
    if facts["kind"] == "embedding":
        facts["max_input"] = most or first.get("context_window") or third.get("context_window")
        facts.pop("max_output", None)
        facts.pop("context_window", None)
        return
    # Of OpenAI's newer models LiteLLM has the limit of input, which is the window less the longest answer.
    if not first.get("context_window") and most in (272_000, 922_000) and output == 128_000:
        window = most + output
    # The limit of input is often the window less the longest output: then both are known.
    if window and most and most > window:
        window = most
    if window and most and output and most == window - output:
        facts["max_input"] = most
    else:
        facts.pop("max_input", None)
        if not first.get("context_window") and third.get("context_window", 0) > (window or 0):
            window = third["context_window"]
    facts["context_window"] = window


def compare(facts, first, second, place, disagreements):
    """Notes what the two sources differ on; the fields it concerns."""
    disputed = []

    def differ(field, one, two):
        disputed.append(field)
        disagreements.append((*place, field, show(one), show(two), show(facts.get(field))))

    for field in COMPARED:
        one, two = first.get(field), second.get(field)
        if one is not None and two is not None and abs(one - two) > 1e-9 + 0.005 * max(one, two):
            differ(field, one, two)
    tiers = [{tier["above"]: tier for tier in side.get("tiers", [])} for side in (first, second)]
    if first.get("input") is not None and second.get("input") is not None and any(tiers):
        one, two = ([(above, side[above].get("input")) for above in sorted(side)] for side in tiers)
        if one != two:
            differ("tiers", one or "flat", two or "flat")
    one, two = first.get("context_window"), second.get("max_input")
    limit = second.get("max_output") or 0
    if facts["kind"] == "chat" and one and two and two not in (one, one - limit):
        differ("context_window", one, two)
    return disputed


def show(value):
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)


def huggingface_models(genai, models_dev):
    """The router's models as `model:provider`; a bare `model` has what all its providers agree on."""
    by_model = {}
    for list_name, entries in genai.models.items():
        if not list_name.startswith(HUGGINGFACE):
            continue
        for entry in entries:
            if kind_of(entry["id"], None) == "chat":
                host = list_name.removeprefix(HUGGINGFACE)
                by_model.setdefault(entry["id"], {})[host] = genai.facts(entry)
    models = {}
    for model, hosts in by_model.items():
        third = models_dev.facts("huggingface", model)
        source = {"source": ["genai-prices", *(["models.dev"] if third else [])]}
        extra = {name: value for name, value in third.items() if name not in ("context_window", "max_input")}
        every = list(hosts.values())
        shared = {n: v for n, v in every[0].items() if all(other.get(n) == v for other in every)}
        for host, facts in {**{f":{host}": facts for host, facts in hosts.items()}, "": shared}.items():
            models[f"{model}{host}"] = {"kind": "chat"} | extra | facts | source
    return models


class Overlay:
    """What no source has right: flags by family, and single facts."""

    def __init__(self, data):
        self.groups = data["group"]

    def apply(self, catalog):
        for group in self.groups:
            fields = {name: value for name, value in group.items() if name not in ("providers", "ids", "why")}
            unknown = fields.keys() - {*FIELDS, "reasons"}
            if unknown:
                sys.exit(f"the overlay has fields that do not exist: {', '.join(sorted(unknown))}")
            for glob in group["ids"]:
                hits = [
                    facts
                    for vendor in group["providers"]
                    for model, facts in catalog[vendor].items()
                    if fnmatch.fnmatchcase(model, glob)
                ]
                if not hits:
                    sys.exit(f"the overlay's {glob!r} is no model of {', '.join(group['providers'])}")
                for facts in hits:
                    facts |= fields


def finish(facts):
    """What follows from the rest, and the fields in order."""
    reasons = facts.pop("reasons", None)
    if facts.get("reasoning") is None and reasons is False and "efforts" not in facts:
        facts["reasoning"] = "none"
    if facts.get("reasoning") in ("none", "budget"):
        facts.pop("efforts", None)
    # OpenRouter's price of a write to Gemini's cache is that of the storage, which comes on top of the input.
    if "input" in facts and 0 < (facts.get("cache_write") or 0) < facts["input"]:
        facts["cache_write"] = tidy(facts["cache_write"] + facts["input"])
    # A thousand dollars for a million tokens is a slip of units.
    if (facts.get("input") or 0) > 1000:
        for name in PRICES:
            facts.pop(name, None)
    window = facts.get("context_window")
    if window and facts.get("max_output"):
        # An output limit as large as the window says only that nothing else bounds it.
        facts["max_output"] = min(window, facts["max_output"])
    most = facts.get("max_input") or window
    tiers = [tier for tier in facts.get("tiers") or [] if most is None or tier["above"] < most]
    facts["tiers"] = tiers or None
    if facts["kind"] == "chat":
        facts["kind"] = None
    else:
        chat = ("output", "batch_output", "reasoning", "efforts", "sampling", "prefill", "responses", "vision", "documents")
        for name in (*chat, "audio", "tools", "parallel_tools", "json_schema", "system"):
            facts.pop(name, None)
    ordered = {name: facts.get(name) for name in FIELDS}
    facts.clear()
    facts |= {name: value for name, value in ordered.items() if value not in (None, [], "")}


def dropped_copies(models):
    """Without the dated and the regional ids that say the same as the plain one: they are read as that one."""

    def copy(model, facts):
        for form in (DATED, PROFILE):
            found = form.match(model)
            if found and found[1] in models and same(models[found[1]], facts):
                return True
        return False

    for model, facts in models.items():
        found = DATED.match(model)
        if found and found[1] in models:
            inherit(facts, models[found[1]])
    return {model: facts for model, facts in models.items() if not copy(model, facts)}


def inherit(facts, undated):
    """A dated id has what is said of the undated one and not of it, prices and what makes it another model aside."""
    silent = {name: value for name, value in undated.items() if name not in facts and name not in PRICED}
    for name in FIELDS:
        if name in silent:
            facts[name] = silent[name]
    ordered = {name: facts[name] for name in FIELDS if name in facts}
    facts.clear()
    facts |= ordered


def of_use(model, facts):
    """Whether there is a price or a limit, and the id is one."""
    known = facts.keys() & {"input", "output", "context_window", "max_input", "max_output"}
    return bool(known) and not model.endswith("-") and " " not in model


def same(one, two):
    """Whether two entries say the same of what a call needs."""
    aside = {"knowledge", "retires", "deprecated", "source", "disputed"}
    return {n: v for n, v in one.items() if n not in aside} == {n: v for n, v in two.items() if n not in aside}


def write(catalog, disagreements, day):
    MODELS.mkdir(parents=True, exist_ok=True)
    for old in MODELS.glob("*.json"):
        old.unlink()
    for vendor, models in sorted(catalog.items()):
        lines = [f"{json.dumps(model)}: {line(models[model])}" for model in sorted(models)]
        (MODELS / f"{vendor}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sources = {"date": day.isoformat()} | {name: version for name, version, _ in (GENAI, LITELLM, MODELS_DEV)}
    (MODELS.parent / "sources.json").write_text(json.dumps(sources, indent=2) + "\n")
    rows = ["provider\tmodel\tfield\tgenai-prices\tlitellm\tours"]
    rows += ["\t".join(row) for row in sorted(disagreements)]
    DISAGREEMENTS.write_text("\n".join(rows) + "\n")
    total = sum(map(len, catalog.values()))
    print(f"{total} models of {len(catalog)} vendors; {len(disagreements)} disagreements")


def line(facts):
    return json.dumps(facts, ensure_ascii=False, separators=(", ", ": "))


if __name__ == "__main__":
    main()
