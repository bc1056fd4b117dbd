"""The web interface: pages, their components and charts, from the same views as the API."""
