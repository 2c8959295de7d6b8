"""Sources of images: CIFAR, image folders, synthetic images."""
