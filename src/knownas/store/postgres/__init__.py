"""The PostgreSQL adapter: any number of server processes over one database, each with a small pool of connections."""
