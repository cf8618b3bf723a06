"""Judge data: contracts (pandera schemas) and asset checks (functions); importing this loads no pandera."""
