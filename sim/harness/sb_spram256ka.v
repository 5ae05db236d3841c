// Behavioural model of the iCE40 UltraPlus single-port RAM, 16384 words of 16 bits.
//
// Written from the primitive's documented behaviour, for simulation only:
// - POWEROFF is active low: 1 means powered.
// - A write takes the nibbles that MASKWREN selects; a read appears one clock later.
// - Contents at power-up are arbitrary: pseudo-random here, seeded by the harness,
//   so that a design that forgets to write its padding fails.
// - DATAOUT after a write is not specified: the model gives the complement of the data, which
//   no correct design may look at.
module SB_SPRAM256KA (
    input  wire [13:0] ADDRESS,
    input  wire [15:0] DATAIN,
    input  wire [3:0]  MASKWREN,
    input  wire        WREN,
    input  wire        CHIPSELECT,
    input  wire        CLOCK,
    input  wire        STANDBY,
    input  wire        SLEEP,
    input  wire        POWEROFF,
    output reg  [15:0] DATAOUT
);
    reg [15:0] memory [0:16383];

    integer index;
    initial begin
        for (index = 0; index < 16384; index = index + 1)
            memory[index] = $urandom;
        DATAOUT = $urandom;
    end

`ifdef ADDGATE_BOARD
    // The simulated board's harness keeps the instances in the order in which they say this.
    import "DPI-C" context function void spram_is_here();
    export "DPI-C" function spram_flip;
    function void spram_flip(input int address, input int place);
        memory[address[13:0]] = memory[address[13:0]] ^ (16'd1 << place);
    endfunction
    initial spram_is_here();
`endif

    wire selected = CHIPSELECT & ~STANDBY & ~SLEEP & POWEROFF;
    wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};

    always @(posedge CLOCK) begin
        if (selected && WREN) begin
            memory[ADDRESS] <= (memory[ADDRESS] & ~mask) | (DATAIN & mask);
            DATAOUT <= ~DATAIN;
        end else if (selected) begin
            DATAOUT <= memory[ADDRESS];
        end
    end
endmodule
