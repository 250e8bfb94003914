from experiments.pronounce.run import main

if __name__ == "__main__":
    main()
