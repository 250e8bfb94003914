from experiments.molecules.run import main

if __name__ == "__main__":
    main()
