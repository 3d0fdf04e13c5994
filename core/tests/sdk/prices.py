"""Reckons what recorded answers cost by another project's prices and code, genai-prices, and compares: prices.py FILE.

FILE is what the test of costs writes. Where both know a model and agree on its price, the costs must be equal. Models that they do
not agree on, or that only one knows, are listed.
"""

import collections
import json
import pathlib
import sys
from decimal import Decimal

from genai_prices import Usage, calc_price

PROVIDERS = {"gemini": "google", "vertex": "google", "bedrock": "aws", "xai": "x-ai"}
# What both call the same, per million tokens.
PARTS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def reckoned(line):
    """Their price for these tokens, and what they count by; None where they do not know the model."""
    usage = line["usage"]
    tokens = Usage(
        input_tokens=usage["input"],
        cache_read_tokens=usage["cached_input"],
        cache_write_tokens=usage["cache_write"],
        output_tokens=usage["output"],
    )
    try:
        return calc_price(tokens, line["model"], provider_id=PROVIDERS.get(line["kind"], line["kind"]))
    except LookupError:
        return None


def plain(price, size):
    """A price of theirs as a number, of the tier that counts for a prompt of this size."""
    if price is None or isinstance(price, (int, float, Decimal)):
        return None if price is None else float(price)
    tiers = [tier.price for tier in price.tiers if size > tier.start]
    return float(tiers[-1] if tiers else price.base)


def agreed(line, theirs):
    """Whether both have the same price for every kind of token that this answer used."""
    usage = line["usage"]
    used = (True, True, usage["cached_input"] > 0, usage["cache_write"] > 0)
    for part, ours, needed in zip(PARTS, line["price"], used, strict=True):
        other = plain(getattr(theirs.model_price, part, None), usage["input"])
        # What has no price of its own is paid as the prompt.
        ours = line["price"][0] if ours is None else ours
        other = plain(theirs.model_price.input_mtok, usage["input"]) if other is None else other
        if needed and (other is None or abs(ours - other) > 1e-9 * max(ours, other)):
            return False
    return True


def main(path):
    counts = collections.Counter()
    differ = collections.defaultdict(list)
    wrong = []
    for text in pathlib.Path(path).read_text().splitlines():
        line = json.loads(text)
        name = f"{line['kind']}/{line['model']}"
        theirs = reckoned(line)
        if theirs is None:
            counts["unknown to genai-prices"] += 1
            continue
        if not agreed(line, theirs):
            counts["priced otherwise"] += 1
            prices = [plain(getattr(theirs.model_price, part, None), line["usage"]["input"]) for part in PARTS]
            differ[name] = [line["price"], prices]
            continue
        if theirs.model_price.requests_kcount and line["told"] is not None:
            # A charge for the request itself: what the provider tells of its answer's cost counts, and has it.
            counts["charged by request, and told by the provider"] += 1
            continue
        counts["agreed"] += 1
        if abs(line["cost"] - float(theirs.total_price)) > 1e-9 + 1e-6 * line["cost"]:
            wrong.append(f"{line['file']} {line['id']} {name}: {line['cost']} here, {theirs.total_price} there, {line['usage']}")
    for name, (ours, others) in sorted(differ.items()):
        print(f"priced otherwise: {name}: {ours} here, {others} there")
    print(f"costs of recorded answers: {dict(counts)}, {len(wrong)} of the agreed differ")
    if counts["agreed"] < 100:
        sys.exit("too few answers have a price that both agree on")
    if wrong:
        sys.exit("\n".join(wrong))


main(sys.argv[1])
