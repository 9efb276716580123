"""Counts the words of a text: wordcount.py TEXT COUNTS

TEXT is a file or folder; COUNTS becomes a folder of lines `word<TAB>count`, most frequent first.
The ten most frequent words go to the log.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def main(text: str, counts: str) -> None:
    spark = SparkSession.builder.appName("word-count").getOrCreate()
    words = (
        spark.read.text(text)
        .select(F.explode(F.split(F.lower("value"), r"[^\p{L}]+")).alias("word"))
        .where("word != ''")
    )
    table = words.groupBy("word").count().orderBy(F.desc("count"), "word").cache()
    table.coalesce(1).write.csv(counts, sep="\t")
    print(f"{table.count()} different words; the most frequent:")
    for row in table.take(10):
        print(f"{row['count']:>8}  {row['word']}")
    spark.stop()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
