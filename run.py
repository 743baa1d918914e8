from rppg_graph.cli import main

raise SystemExit(main())
