from experiments.graph_classification.run import main

if __name__ == "__main__":
    main()
