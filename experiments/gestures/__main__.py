from experiments.gestures.run import main

if __name__ == "__main__":
    main()
