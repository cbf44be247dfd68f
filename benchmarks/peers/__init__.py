"""The work of data-ingestion written with other libraries, to compare speed and results with.

Each of them turns a positions file into shards of good rows and a quarantine of refused ones, with
the line and the broken rules of each. They share no code with the stage; the rules' ids and their
meaning are the stage's.
"""
