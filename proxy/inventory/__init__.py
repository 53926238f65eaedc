"""People, teams, agents, services, tools and datasets; owners and expiry."""
