"""The catalog against its sources, each read in a way of its own: genai-prices by its own code, LiteLLM's list raw."""

import datetime
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data import providers as genai_providers

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import catalog  # noqa: E402
import catalog_sources  # noqa: E402

MODELS = ROOT / "core" / "src" / "catalog" / "models"
# In the dear hours of the vendor that has such: the catalog keeps the dearest.
WHEN = datetime.datetime(2026, 11, 23, 8, tzinfo=datetime.timezone.utc)
FIELDS = {
    "input": ("input_mtok", "input_cost_per_token"),
    "output": ("output_mtok", "output_cost_per_token"),
    "cache_read": ("cache_read_mtok", "cache_read_input_token_cost"),
    "cache_write": ("cache_write_mtok", "cache_creation_input_token_cost"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_creation_input_token_cost_above_1hr"),
}
LITELLM_PREFIX = {
    "azure": ("azure/", "azure_ai/"),
    "cohere": ("", "cohere/"),
    "fireworks": ("fireworks_ai/",),
    "gemini": ("gemini/",),
    "qwen": ("dashscope/", "qwencloud/"),
    "together": ("together_ai/",),
    "vertex": ("vertex_ai/", ""),
}


def ours():
    for path in sorted(MODELS.glob("*.json")):
        for model, facts in json.loads(path.read_text()).items():
            yield path.stem, model, facts


def by_genai(provider, model):
    name = catalog.VENDORS[provider][0]
    vendor = next((vendor for vendor in genai_providers if vendor.id == name), None)
    found = vendor and vendor.find_model(model.removeprefix("accounts/fireworks/models/").lower())
    if not found:
        return {}
    prices = found.get_prices(WHEN)
    raw = {field: getattr(prices, name, None) for field, (name, _) in FIELDS.items()}
    return {
        field: float(price if isinstance(price, Decimal) else price.base)
        for field, price in raw.items()
        if price is not None
    }


def by_litellm(entries, provider, model):
    for prefix in LITELLM_PREFIX.get(provider, (f"{provider}/", "")):
        if entry := entries.get(f"{prefix}{model}"):
            return {field: entry[key] * 1e6 for field, (_, key) in FIELDS.items() if entry.get(key)}
    return {}


def equal(one, two):
    return one is not None and two is not None and one == pytest.approx(two, rel=1e-5)


def test_prices_equal_both_sources_where_they_agree():
    entries = json.loads(catalog_sources.fetch(catalog_sources.LITELLM).read_text())
    agreed, wrong = 0, []
    for provider, model, facts in ours():
        if provider not in catalog.VENDORS:
            continue
        one, two = by_genai(provider, model), by_litellm(entries, provider, model)
        for field in FIELDS:
            if equal(one.get(field), two.get(field)):
                agreed += 1
                if not equal(facts.get(field), one[field]):
                    wrong.append(f"{provider}/{model} {field}: {facts.get(field)}, sources {one[field]}")
    print(f"{agreed} prices on which both agree, {len(wrong)} of them other in the catalog")
    assert agreed > 1000
    assert len(wrong) <= agreed * 0.05, "\n".join(wrong)


def test_the_files_are_what_make_catalog_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "MODELS", tmp_path / "models")
    monkeypatch.setattr(catalog, "DISAGREEMENTS", tmp_path / "disagreements.tsv")
    monkeypatch.setattr(sys, "argv", ["catalog.py"])
    catalog.main()
    kept = {path.name: path.read_text() for path in MODELS.glob("*.json")}
    made = {path.name: path.read_text() for path in (tmp_path / "models").glob("*.json")}
    assert made == kept, "run `make catalog`"
    assert (tmp_path / "disagreements.tsv").read_text() == catalog.ROOT.joinpath(
        "docs", "catalog-disagreements.tsv"
    ).read_text()


def test_a_pattern_that_fits_nothing_is_an_error():
    overlay = catalog.Overlay({"group": [{"providers": ["openai"], "ids": ["gone-*"], "sampling": False}]})
    with pytest.raises(SystemExit, match="gone"):
        overlay.apply({"openai": {"gpt-5": {}}})
