"""The storm: 20 clients work while every process is killed, paused and restarted by a seed; then a checker proves the
invariants I1 to I10 from what was seen. `make storm ARGS="--minutes 10 --seed 7 --replicas 2"`."""
