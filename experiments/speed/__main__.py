from experiments.speed.pin import pin

pin()

from experiments.speed.run import main  # noqa: E402  JAX and torch count the processors when they are imported

main()
