from experiments.atom_mapping.run import main

if __name__ == "__main__":
    main()
