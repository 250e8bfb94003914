"""What sentiment, relatedness and listops share: sentences and trees, four models of them, and how they are trained."""
