from experiments.feed_forward.run import main

if __name__ == "__main__":
    main()
