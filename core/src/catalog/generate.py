#!/usr/bin/env python3
"""Distils published tables of models into `models.tsv`, the table that Locum is built with.

Usage: generate.py FOLDER

FOLDER holds `models-dev.json` (models.dev, resolved to JSON) and `litellm-prices.json` (LiteLLM's price table, cut to chat
models). models.dev is the base; models that only LiteLLM has are added. What is not said of a dated name is taken from the name
without the date. A limit of 0 is unknown, and so is a price of 0, unless models.dev has it of a model that writes nothing but
text. Prints where both have a price and differ. The same input gives the same table.
"""

import json
import pathlib
import re
import sys

KINDS = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "google": "gemini",
    "google-vertex": "vertex",
    "amazon-bedrock": "bedrock",
    "cohere": "cohere",
    "groq": "groq",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "xai": "xai",
    "cerebras": "cerebras",
    "perplexity": "perplexity",
}
# LiteLLM's provider: our kind, and what its keys begin with.
LITELLM = {
    "openai": ("openai", ""),
    "azure": ("azure", "azure/"),
    "anthropic": ("anthropic", ""),
    "gemini": ("gemini", "gemini/"),
    "vertex_ai-language-models": ("vertex", "vertex_ai/"),
    "bedrock": ("bedrock", "bedrock/"),
    "bedrock_converse": ("bedrock", "bedrock/"),
    "cohere_chat": ("cohere", ""),
    "groq": ("groq", "groq/"),
    "mistral": ("mistral", "mistral/"),
    "deepseek": ("deepseek", "deepseek/"),
    "together_ai": ("together", "together_ai/"),
    "fireworks_ai": ("fireworks", "fireworks_ai/"),
    "xai": ("xai", "xai/"),
    "cerebras": ("cerebras", "cerebras/"),
    "perplexity": ("perplexity", "perplexity/"),
}
# Members of a price, in the order of the table.
PRICES = ("input", "output", "cache_read", "cache_write")
LIMITS = ("context", "prompt", "output")
DATE = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})$")
FLAGS = (("tools", "t"), ("vision", "v"), ("json_schema", "j"), ("reasoning", "r"), ("temperature", "p"))


def from_models_dev(model):
    limit, cost = model.get("limit", {}), model.get("cost") or {}
    modalities = model.get("modalities", {}).get("input")
    priced = "input" in cost and "output" in cost
    # Other output than text is paid for in other ways, which the table does not tell.
    free = priced and not cost["input"] and not cost["output"]
    priced = priced and not (free and model.get("modalities", {}).get("output") != ["text"])
    tiers = sorted(cost.get("tiers", []), key=lambda tier: tier["tier"]["size"])
    return {
        "context": limit.get("context") or None,
        "prompt": limit.get("input") or None,
        "output": limit.get("output") or None,
        "price": cost if priced else None,
        "tier": (tiers[0]["tier"]["size"], tiers[0]) if tiers else None,
        "tools": model.get("tool_call"),
        "vision": None if modalities is None else "image" in modalities,
        "json_schema": model.get("structured_output"),
        "reasoning": model.get("reasoning"),
        "temperature": model.get("temperature"),
        "until": "deprecated" if model.get("status") == "deprecated" else None,
        "responses_only": False,
    }


def from_litellm(model):
    def per_million(name):
        cost = model.get(name)
        return None if cost is None else round(cost * 1e6, 6)

    def price(suffix):
        names = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost")
        found = {key: per_million(name + suffix) for key, name in zip(PRICES, names)}
        return {key: value for key, value in found.items() if value is not None}

    base = price("")
    tier = None
    for size in ("100k", "128k", "200k", "256k", "272k"):
        above = price(f"_above_{size}_tokens")
        if "input" in above and "output" in above:
            tier = (int(size[:-1]) * 1000, above)
            break
    endpoints = model.get("supported_endpoints") or []
    chat = not endpoints or any("chat/completions" in endpoint for endpoint in endpoints)
    return {
        "context": model.get("max_input_tokens") or None,
        "prompt": None,
        "output": model.get("max_output_tokens") or None,
        "price": base if "input" in base and "output" in base and (base["input"] or base["output"]) else None,
        "tier": tier,
        # This table tells what a model can do, and is silent on what it cannot.
        "tools": model.get("supports_function_calling"),
        "vision": model.get("supports_vision"),
        "json_schema": model.get("supports_response_schema"),
        "reasoning": model.get("supports_reasoning"),
        "temperature": model.get("supports_sampling_params"),
        "until": model.get("deprecation_date"),
        "responses_only": model.get("mode") == "responses" or not chat,
    }


def complete(models):
    """Fills what is not said of dated names. Prices are not filled: they may differ from version to version."""
    for (kind, name), facts in models.items():
        plain = models.get((kind, DATE.sub("", name)))
        if plain is None or plain is facts:
            continue
        for key in ("output", *(key for key, _ in FLAGS)):
            if facts[key] is None:
                facts[key] = plain[key]
        if facts["context"] is None:
            facts["context"], facts["prompt"] = plain["context"], plain["prompt"]


def number(value):
    if value is None:
        return ""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def row(kind, name, facts):
    price = facts["price"] or {}
    cells = [kind, name] + [number(facts[key]) for key in LIMITS]
    cells += [number(price.get(key)) for key in PRICES]
    tier = facts["tier"] if facts["price"] else None
    cells.append("" if tier is None else ":".join([number(tier[0])] + [number(tier[1].get(key)) for key in PRICES]))
    flags = "".join(letter if facts[key] else letter.upper() for key, letter in FLAGS if facts[key] is not None)
    cells.append(flags + ("o" if facts["responses_only"] else ""))
    cells.append(facts["until"] or "")
    return "\t".join(cells)


def main():
    folder = pathlib.Path(sys.argv[1])
    base = json.loads((folder / "models-dev.json").read_text())
    overlay = json.loads((folder / "litellm-prices.json").read_text())
    models, differ = {}, 0
    for provider, kind in KINDS.items():
        for name, model in base["providers"].get(provider, {}).get("models", {}).items():
            if "text" in model.get("modalities", {}).get("output", ["text"]):
                models[kind, name] = from_models_dev(model)
    for key, model in sorted(overlay.items()):
        if model.get("litellm_provider") not in LITELLM:
            continue
        kind, prefix = LITELLM[model["litellm_provider"]]
        name = key.removeprefix(prefix)
        regional = kind in ("azure", "bedrock", "openai") and "/" in name
        if regional or any(c.isspace() for c in name):
            continue
        facts = from_litellm(model)
        known = models.setdefault((kind, name), facts)
        if known is facts:
            continue
        known["responses_only"] = facts["responses_only"]
        known["until"] = known["until"] or facts["until"]
        known["temperature"] = facts["temperature"] if facts["temperature"] is False else known["temperature"]
        pair = [{part: (one["price"] or {}).get(part) for part in PRICES[:2]} for one in (known, facts)]
        if known["price"] and facts["price"] and pair[0] != pair[1]:
            differ += 1
            print(f"{kind}/{name}: models.dev {pair[0]}, LiteLLM {pair[1]}: the first counts")
    complete(models)
    date = base["date"][:10]
    head = f"# models.dev {base['commit'][:12]} of {date}, and LiteLLM's price table where that has no such model"
    lines = sorted(row(kind, name, facts) for (kind, name), facts in models.items())
    table = pathlib.Path(__file__).with_name("models.tsv")
    table.write_text("\n".join([head, *lines]) + "\n")
    print(f"{len(lines)} models, {table.stat().st_size} bytes; {differ} prices differ")


main()
