from experiments.pretraining.run import main

if __name__ == "__main__":
    main()
