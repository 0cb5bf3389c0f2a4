"""A benchmark of failures: does the referee say what is wrong with a run, and only then?"""
