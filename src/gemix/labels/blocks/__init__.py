"""The student inside other people's pipelines: batches of any kind (Ray Data, Spark, Daft, datasets), and datatrove."""
