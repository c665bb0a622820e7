"""What the command lines of the distributions share: exit codes, models by their names, what is printed.

It knows neither typer nor any Google package; progress on a terminal needs rich, which the extras bring.
"""
