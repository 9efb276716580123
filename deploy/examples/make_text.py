"""Makes a text whose word counts are known: make_text.py TEXT COUNTS

Writes the same 250,000 words (1.3 MB) each time, and `word<TAB>count` lines, most frequent first. The counts are those
of the words as they were drawn, never of the text read back, so that they check a word count from outside.
"""

import random
import sys
from collections import Counter
from pathlib import Path

WORDS = """
the of and in to from with at sea water depth sample station cruise plankton krill copepod diatom bloom salt warm cold
current front shelf slope basin fjord sound tide wave ice melt light layer mixed bottom surface sensor buoy glider mooring
cast bottle filter net trawl sonar echo signal noise drift age growth larva egg cod herring capelin saithe haddock whale
seal gull auk kelp reef coral sponge microbe genome read contig gene protein marker primer sequence cluster tree branch
clade sister species strain carbon nitrogen silicate phosphate oxygen iron trace flux rate mass length count mean error
model grid cell step input output value Ærø Øresund Ålesund Tromsø naïve
""".split()
TOTAL = 250_000
SEED = 3


def sentences(words: list[str], rng: random.Random):
    """Cuts the words into sentences, so that there is something to strip: capitals, commas, stops, numbers."""
    at = 0
    while at < len(words):
        part = words[at : at + rng.randint(4, 16)]
        at += len(part)
        part[0] = part[0][0].upper() + part[0][1:]
        if len(part) > 8:
            part[4] += ","
        if rng.random() < 0.1:
            part.append(str(rng.randint(2, 4000)))
        yield " ".join(part) + rng.choice([".", ".", ".", "?", "!"])


def main(text: Path, counts: Path) -> None:
    rng = random.Random(SEED)
    # Zipf: the n-th word comes about 1/n as often as the first, as in real texts.
    words = rng.choices(WORDS, weights=[1 / n for n in range(1, len(WORDS) + 1)], k=TOTAL)
    table = Counter(word.lower() for word in words)
    text.write_text("\n".join(sentences(words, rng)) + "\n", encoding="utf-8")
    rows = sorted(table.items(), key=lambda row: (-row[1], row[0]))
    counts.write_text("".join(f"{word}\t{count}\n" for word, count in rows), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
