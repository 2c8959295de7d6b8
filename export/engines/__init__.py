"""The engines that run a file: each tells what the file answers, or what it takes."""
