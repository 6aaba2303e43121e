"""What a benchmark gave: records, the ranking of negative controls, and scores.json and .csv."""
