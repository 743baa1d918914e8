from rppg_graph.cli import main

if __name__ == "__main__":  # worker processes import this file
    raise SystemExit(main())
