"""The link: UART, frames, the receive buffer, the response ring and the commands."""
